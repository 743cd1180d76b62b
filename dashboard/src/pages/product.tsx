/** One product: its price over time, why it is what it is, what was decided before, and how to step in. */

import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowLeft, Download, Image, Snowflake } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { tinykeys } from "tinykeys";
import { useLocation, useSearch } from "wouter";
import {
  ApiError,
  activeOverrides,
  type ChartPoint,
  type Decision,
  type Explanation,
  get,
  type PastOverride,
  query,
} from "../api";
import { download, toCsv } from "../lib/bulk";
import {
  currencyCode,
  formatClock,
  formatCountdown,
  formatMoney,
  formatNumber,
  formatTime,
  formatUtc,
} from "../lib/format";
import { shortcut, withKey } from "../lib/keys";
import { open } from "../parts/dialogs";
import { Age, boundText, ChangeText, Moment, Price, SourceTag, useNow } from "../parts/price";
import { type ChartHandle, PriceChart } from "../parts/price-chart";
import { Waterfall } from "../parts/waterfall";
import { removeAll } from "../state/interventions";
import { notify } from "../state/notices";
import { theme } from "../state/preferences";
import { useSignal } from "../state/signal";
import { freezeOf, useKeyState, usePrices, useRow, useStatus } from "../state/store";
import { changeOf } from "../state/view";

const RANGES = { "15m": 15 * 60_000, "1h": 3_600_000, "1d": 86_400_000, all: null } as const;
type Range = keyof typeof RANGES;
const CHART_POINTS = 800;
const DECISIONS = 25;
const NO_OVERRIDES: PastOverride[] = [];

export default function Product({ id }: { id: string }) {
  const prices = usePrices();
  const row = useRow(id);
  const [, go] = useLocation();
  const { data: status } = useStatus();
  const freeze = freezeOf(status?.freezes ?? [], id, row?.category ?? "");
  const now = useNow();

  useEffect(() => {
    prices.link.watch([id]);
    return tinykeys(window, {
      Escape: shortcut(() => go("/")),
      o: shortcut(() => void withKey(() => open({ kind: "override", ids: [id] }))),
    });
  }, [prices, id, go]);

  const explanation = useQuery({
    queryKey: ["explain", id, row?.version],
    queryFn: () => get<Explanation>(`/price/${encodeURIComponent(id)}/explain`),
    placeholderData: (before) => before,
  });
  const missing = explanation.error instanceof ApiError && explanation.error.status === 404;

  return (
    <div className="page product-page">
      <header className="title">
        <button
          type="button"
          className="icon"
          aria-label="Back to the board"
          onClick={() => (history.length > 1 ? history.back() : go("/"))}
        >
          <ArrowLeft size={18} aria-hidden="true" />
        </button>
        <div>
          <h1>{row?.name || id}</h1>
          <p className="dim">
            {id}
            {row?.category ? ` · ${row.category}` : ""}
          </p>
        </div>
        <div className="spacer" />
        {row ? (
          <div className="headline">
            <Price price={row.price} moved={row.moved} movedAt={row.movedAt} currency={currencyCode()} />
            <ChangeText change={changeOf(row)} />
            <SourceTag source={row.source} boundBy={row.boundBy} frozen={freeze !== undefined} />
            <span className="dim">
              demand {formatNumber(row.demand)} · <Age at={row.updatedAt} now={now} />
            </span>
          </div>
        ) : null}
        <div className="buttons">
          <button
            type="button"
            className="button primary"
            onClick={() => void withKey(() => open({ kind: "override", ids: [id] }))}
          >
            Set the price…
          </button>
          <button
            type="button"
            className="button"
            onClick={() => void withKey(() => open({ kind: "freeze", scope: `product:${id}` }))}
          >
            <Snowflake size={15} aria-hidden="true" /> Freeze…
          </button>
        </div>
      </header>
      {missing ? (
        <div className="empty">
          <h2>Nobody knows this product</h2>
          <p>No event and no catalogue entry has named “{id}” yet.</p>
        </div>
      ) : (
        <>
          <ActiveOverride id={id} overridden={row?.source === "override"} now={now} />
          <div className="columns">
            <ChartCard id={id} version={row?.version ?? 0} />
            <section className="card" aria-labelledby="why">
              <h2 id="why">Why this price</h2>
              {explanation.data ? <Why explanation={explanation.data} /> : null}
              {explanation.isPending ? <p className="loading">Loading…</p> : null}
              {explanation.isError && !missing ? <p className="error">{explanation.error.message}</p> : null}
            </section>
          </div>
          <Decisions id={id} version={row?.version ?? 0} />
        </>
      )}
    </div>
  );
}

function Why({ explanation }: { explanation: Explanation }) {
  return (
    <>
      <p>{explanation.text}</p>
      <Waterfall adjustments={explanation.adjustments} price={explanation.price} />
      <p className="dim small">
        {explanation.bound_by ? `Bound by: ${boundText(explanation.bound_by)}. ` : "No guardrail bound it. "}
        Policy {explanation.policy} · version {explanation.version} · <Moment at={explanation.event_time_ms} />
      </p>
      <details>
        <summary>Raw decision</summary>
        <pre>{JSON.stringify(explanation, null, 2)}</pre>
      </details>
    </>
  );
}

function ActiveOverride({ id, overridden, now }: { id: string; overridden: boolean; now: number }) {
  const queries = useQueryClient();
  const hasKey = useKeyState() === "given";
  const { data } = useQuery({
    queryKey: ["overrides"],
    queryFn: activeOverrides,
    enabled: hasKey,
    refetchInterval: 5_000,
  });
  const active = data?.find((override) => override.product_id === id);
  if (!active) {
    return overridden ? (
      <p className="note">
        A person has set this price.{" "}
        {hasKey ? null : (
          <button type="button" className="link" onClick={() => void withKey(() => {})}>
            Who and why
          </button>
        )}
      </p>
    ) : null;
  }
  return (
    <div className="note override-note">
      <p>
        <strong>{formatMoney(active.override_price)}</strong> set by {active.set_by}, <Moment at={active.set_at} />:
        “{active.reason}”.{" "}
        {active.expires_at
          ? `Ends in ${formatCountdown(Date.parse(active.expires_at), now)}.`
          : "In force until removed."}
      </p>
      <button
        type="button"
        className="button"
        onClick={() => removeAll(queries, [active]).catch((problem) => notify((problem as Error).message, "error"))}
      >
        Remove
      </button>
    </div>
  );
}

function ChartCard({ id, version }: { id: string; version: number }) {
  const search = useSearch();
  const [, go] = useLocation();
  const hasKey = useKeyState() === "given";
  const asked = new URLSearchParams(search).get("range");
  const range: Range = asked && asked in RANGES ? (asked as Range) : "1h";
  const mode = useSignal(theme);
  const chart = useRef<ChartHandle>(null);
  const path = `/history/${encodeURIComponent(id)}`;
  const loaded = useQuery({
    queryKey: ["chart", id, range, Math.floor(version / 5)],
    enabled: hasKey,
    placeholderData: (before) => before,
    queryFn: async () => {
      // The range ends with the last decision: the events of a replay may lie years back.
      const span = RANGES[range];
      const newest = await get<{ history: { event_time: string }[] }>(`${path}?limit=1`);
      const last = newest.history[0];
      const from = span === null || !last ? null : new Date(Date.parse(last.event_time) - span).toISOString();
      const [found, audit] = await Promise.all([
        get<{ points: ChartPoint[]; prices: number }>(`${path}/chart?${query({ points: CHART_POINTS, from })}`),
        get<{ overrides: PastOverride[] }>(`/overrides/audit?${query({ product_id: id, limit: 100 })}`),
      ]);
      return { ...found, overrides: audit.overrides };
    },
  });
  const points = loaded.data?.points ?? [];

  return (
    <section className="card chart-card" aria-labelledby="chart">
      <div className="row">
        <h2 id="chart">Price and demand</h2>
        <div className="spacer" />
        <div className="segmented" role="radiogroup" aria-label="Range">
          {(Object.keys(RANGES) as Range[]).map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="range"
                checked={range === each}
                onChange={() => go(`/product/${encodeURIComponent(id)}?range=${each}`, { replace: true })}
              />
              <span>{each}</span>
            </label>
          ))}
        </div>
        <button
          type="button"
          className="icon"
          aria-label="Export as CSV"
          title="Export as CSV"
          disabled={!points.length}
          onClick={() =>
            download(
              `${id}.csv`,
              toCsv(
                points.map(([time, price, demand, source, at]) => ({
                  event_time: new Date(time).toISOString(),
                  price,
                  demand,
                  source,
                  version: at,
                })),
              ),
            )
          }
        >
          <Download size={17} aria-hidden="true" />
        </button>
        <button
          type="button"
          className="icon"
          aria-label="Export as PNG"
          title="Export as PNG"
          disabled={!points.length}
          onClick={() => void chart.current?.image().then((image) => image && download(`${id}.png`, image))}
        >
          <Image size={17} aria-hidden="true" />
        </button>
      </div>
      {!hasKey ? (
        <NeedsKey what="History" />
      ) : loaded.isError ? (
        <p className="error" role="alert">
          {loaded.error.message}
        </p>
      ) : loaded.isPending ? (
        <p className="loading">Loading…</p>
      ) : points.length === 0 ? (
        <p className="empty-note">No price has been decided by an event yet.</p>
      ) : (
        <>
          <PriceChart ref={chart} points={points} overrides={loaded.data?.overrides ?? NO_OVERRIDES} theme={mode} />
          <p className="dim small">
            {loaded.data && loaded.data.prices > points.length
              ? `${loaded.data.prices.toLocaleString()} decisions, shown as ${points.length} points.`
              : `${points.length} decisions.`}{" "}
            Red markers and shaded spans: overrides.
          </p>
        </>
      )}
    </section>
  );
}

function Decisions({ id, version }: { id: string; version: number }) {
  const hasKey = useKeyState() === "given";
  const [upTo, setUpTo] = useState(version);
  const pages = useInfiniteQuery({
    queryKey: ["decisions", id, upTo],
    enabled: hasKey,
    placeholderData: (before) => before,
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      get<{ history: Decision[] }>(
        `/history/${encodeURIComponent(id)}?${query({ detail: true, limit: DECISIONS, to: pageParam })}`,
      ),
    getNextPageParam: (page: { history: Decision[] }) =>
      page.history.length === DECISIONS ? page.history.at(-1)?.event_time : null,
  });
  const decisions = pages.data?.pages.flatMap((page) => page.history) ?? [];
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
          <details key={`${decision.version}`}>
            <summary>
              <time dateTime={decision.event_time} title={formatUtc(decision.event_time)}>
                {sameDay(decision.event_time) ? formatClock(decision.event_time) : formatTime(decision.event_time)}
              </time>
              <strong className="numbers">{formatMoney(decision.price)}</strong>
              <SourceTag source={decision.price_source} boundBy={decision.bound_by} />
              <span className="dim">
                demand {formatNumber(decision.demand)} · version {decision.version} ·{" "}
                {decision.cause.replaceAll("_", " ")}
              </span>
            </summary>
            <p>{decision.text}</p>
            <Waterfall adjustments={decision.adjustments} price={decision.price} />
            <p className="dim small">
              Policy {decision.policy} · from {decision.source.topic}, partition {decision.source.partition}, offset{" "}
              {decision.source.offset}
            </p>
          </details>
        ))}
      </div>
      {pages.hasNextPage ? (
        <button
          type="button"
          className="button"
          disabled={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {pages.isFetchingNextPage ? "Loading…" : "Earlier decisions"}
        </button>
      ) : null}
    </section>
  );
}

export function NeedsKey({ what }: { what: string }) {
  return (
    <div className="empty-note">
      <p>{what} can be seen with the admin key.</p>
      <button type="button" className="button" onClick={() => void withKey(() => {})}>
        Give the key
      </button>
    </div>
  );
}

function sameDay(time: string): boolean {
  return new Date(time).toDateString() === new Date().toDateString();
}
