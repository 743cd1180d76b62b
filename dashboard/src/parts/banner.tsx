/** What is wrong, on every page, and what still works. And what somebody has frozen. */

import { useQueryClient } from "@tanstack/react-query";
import { AlertTriangle, Snowflake } from "lucide-react";
import { useEffect } from "react";
import type { Status } from "../api";
import { formatAge } from "../lib/format";
import { withKey } from "../lib/keys";
import { lift } from "../state/interventions";
import { announcement, notify } from "../state/notices";
import { useSignal } from "../state/signal";
import { scopeText, usePrices, useStatus } from "../state/store";
import { useNow } from "./price";

const DOWN: Record<keyof Status["dependencies"], string> = {
  kafka:
    "Kafka is down: prices stand still, and overrides and freezes cannot be set. Prices shown are the last ones.",
  redis:
    "Redis is down: live updates go on, prices are served from memory. Overrides and freezes cannot be listed.",
  history:
    "The history database is down: no charts and no audit trails until it is back. Prices and overrides go on, and no history is lost.",
  flow: "The pricing flow does not answer: prices stand still until it is back. Nothing that arrives meanwhile is lost.",
};
/** As many seconds without a status as make what is on screen doubtful. */
const DOUBTFUL_AFTER_MS = 6_000;

export function problemsOf(status: Status | undefined, silentMs: number): string[] {
  if (silentMs > DOUBTFUL_AFTER_MS) {
    return [
      `The API has not answered for ${formatAge(silentMs)}: prices are as they were then, and nothing can be changed.`,
    ];
  }
  if (!status) return [];
  return (Object.keys(DOWN) as (keyof typeof DOWN)[])
    .filter((name) => status.dependencies[name] === "down")
    .map((name) => DOWN[name]);
}

export function Banner() {
  const status = useStatus();
  const queries = useQueryClient();
  const prices = usePrices();
  const now = useNow();
  const link = useSignal(prices.link.state);
  const since = status.dataUpdatedAt || STARTED;
  const silent = status.isError || status.failureCount > 0 || now - since > 2 * DOUBTFUL_AFTER_MS ? now - since : 0;
  const problems = problemsOf(status.data, silent);
  if (link.kind === "paused") problems.push("Live updates are paused: prices shown are those of that moment.");
  const freezes = status.data?.freezes ?? [];
  const text = problems.join(" ");
  const spoken = problems.length ? text.replace(/\d+ [smhd]/, "some time") : "";
  useEffect(() => {
    if (spoken) announcement.set(spoken);
  }, [spoken]);
  return (
    <>
      {problems.length ? (
        <div className="banner problem" role="alert">
          <AlertTriangle size={16} aria-hidden="true" />
          <div>
            {problems.map((problem) => (
              <p key={problem.slice(0, 24)}>{problem}</p>
            ))}
          </div>
        </div>
      ) : null}
      {freezes.length ? (
        <section className="banner frozen" aria-label="Freezes in force">
          <Snowflake size={16} aria-hidden="true" />
          <div>
            {freezes.slice(0, 3).map((freeze) => (
              <p key={freeze.scope}>
                <strong>Frozen: {scopeText(freeze.scope, (id) => prices.rows.get(id)?.name)}.</strong>{" "}
                {freeze.reason} ({freeze.set_by}, {formatAge(now - Date.parse(freeze.set_at))} ago){" "}
                <button
                  type="button"
                  className="link"
                  onClick={() =>
                    void withKey(() =>
                      lift(queries, freeze.scope, freeze.reason).catch((problem) =>
                        notify((problem as Error).message, "error"),
                      ),
                    )
                  }
                >
                  Lift
                </button>
              </p>
            ))}
            {freezes.length > 3 ? <p>and {freezes.length - 3} more</p> : null}
          </div>
        </section>
      ) : null}
    </>
  );
}

const STARTED = Date.now();
