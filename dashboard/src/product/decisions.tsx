/** The past decisions of a product, newest first, each with its explanation. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Decision } from "../api/types";
import { useMoney } from "../prices/policy";
import { SourceTag } from "../prices/price";
import { NeedsKey } from "../shell/needs-key";
import { useKeyState } from "../shell/session";
import { formatClock, formatDate, formatNumber, formatTime, formatUtc } from "../ui/format";
import { More } from "../ui/more";
import { Waterfall } from "./waterfall";

const DECISIONS_A_PAGE = 25;

/** `version` is that of the price now: newer decisions are announced, and shown when asked for. */
export function Decisions({ id, version }: { id: string; version: number }) {
  const hasKey = useKeyState() === "given";
  const [upTo, setUpTo] = useState(version);
  const pages = useInfiniteQuery({
    queryKey: ["decisions", id, upTo],
    enabled: hasKey,
    placeholderData: (before) => before,
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) => loadPage(id, pageParam),
    getNextPageParam: (page: Decision[]) => (page.length === DECISIONS_A_PAGE ? page.at(-1)?.version : null),
  });
  const decisions = pages.data?.pages.flat() ?? [];
  return (
    <section className="card" aria-labelledby="decisions">
      <div className="row">
        <h2 id="decisions">Past decisions</h2>
        <div className="spacer" />
        {version > upTo && hasKey ? (
          <button type="button" className="button" onClick={() => setUpTo(version)}>
            {version - upTo} newer
          </button>
        ) : null}
      </div>
      {!hasKey ? <NeedsKey what="Past decisions" /> : null}
      {pages.isError ? <p className="error">{pages.error.message}</p> : null}
      {hasKey && pages.isPending ? <p className="loading">Loading…</p> : null}
      {hasKey && !pages.isPending && !pages.isError && decisions.length === 0 ? (
        <p className="empty-note">None yet.</p>
      ) : null}
      <div className="decisions">
        {decisions.map((decision) => (
          <PastDecision key={decision.version} decision={decision} />
        ))}
      </div>
      <More pages={pages} text="Earlier decisions" />
    </section>
  );
}

/** The decisions below a version, or the newest ones. */
async function loadPage(id: string, below: number | null): Promise<Decision[]> {
  const query = { detail: true, limit: DECISIONS_A_PAGE, before_version: below ?? undefined };
  const path = { product_id: id };
  const page = await answer(api.GET("/history/{product_id}", { params: { path, query } }));
  return page.history as Decision[];
}

function PastDecision({ decision }: { decision: Decision }) {
  const money = useMoney();
  const { event_time, source } = decision;
  return (
    <details>
      <summary>
        <time dateTime={event_time} title={formatUtc(event_time)}>
          {sameDay(event_time) ? formatClock(event_time) : formatTime(event_time)}
        </time>
        <strong className="numbers">{money.format(decision.price)}</strong>
        <SourceTag source={decision.price_source} boundBy={decision.bound_by} />
        <span className="dim">
          demand {formatNumber(decision.demand)} · version {decision.version} ·{" "}
          {decision.cause.replaceAll("_", " ")}
        </span>
      </summary>
      <p>{decision.text}</p>
      <Waterfall adjustments={decision.adjustments} price={decision.price} />
      <p className="dim small">
        Policy {decision.policy} · from {source.topic}, partition {source.partition}, offset {source.offset}
      </p>
    </details>
  );
}

function sameDay(time: string): boolean {
  return formatDate(time) === formatDate(Date.now());
}
