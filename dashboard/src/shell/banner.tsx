/** The banner on every page: problems of the system, and the freezes in force. */

import { useQueryClient } from "@tanstack/react-query";
import { AlertTriangle, Snowflake } from "lucide-react";
import { useEffect } from "react";
import type { Freeze } from "../api/types";
import { scopeText } from "../prices/freezes";
import { useStatus } from "../prices/status";
import { usePrices } from "../prices/store";
import { useNow } from "../ui/clock";
import { formatAge } from "../ui/format";
import { useSignal } from "../ui/signal";
import { lift } from "./changes";
import { useLive } from "./live";
import { announcement, notifyProblem } from "./notices";
import { DOUBTFUL_AFTER_MS, problemsOf } from "./problems";
import { withKey } from "./session";

const STARTED = Date.now();
const FREEZES_SHOWN = 3;

export function Banner() {
  const now = useNow();
  return (
    <>
      <Problems now={now} />
      <Freezes now={now} />
    </>
  );
}

function Problems({ now }: { now: number }) {
  const status = useStatus();
  const link = useSignal(useLive().link.state);
  const since = status.dataUpdatedAt || STARTED;
  const silent = status.isError || status.failureCount > 0 || now - since > 2 * DOUBTFUL_AFTER_MS ? now - since : 0;
  const problems = problemsOf(status.data, silent);
  if (link.kind === "paused") problems.push("Live updates are paused: prices shown are those of that moment.");
  // Without the age, so that a screen reader does not repeat the sentence every second.
  const spoken = problems.join(" ").replace(/\d+ [smhd]/, "some time");
  useEffect(() => {
    if (spoken) announcement.set(spoken);
  }, [spoken]);
  if (!problems.length) return null;
  return (
    <div className="banner problem" role="alert">
      <AlertTriangle size={16} aria-hidden="true" />
      <div>
        {problems.map((problem) => (
          <p key={problem.slice(0, 48)}>{problem}</p>
        ))}
      </div>
    </div>
  );
}

function Freezes({ now }: { now: number }) {
  const freezes = useStatus().data?.freezes ?? [];
  if (!freezes.length) return null;
  return (
    <section className="banner frozen" aria-label="Freezes in force">
      <Snowflake size={16} aria-hidden="true" />
      <div>
        {freezes.slice(0, FREEZES_SHOWN).map((freeze) => (
          <FreezeLine key={freeze.scope} freeze={freeze} now={now} />
        ))}
        {freezes.length > FREEZES_SHOWN ? <p>and {freezes.length - FREEZES_SHOWN} more</p> : null}
      </div>
    </section>
  );
}

function FreezeLine({ freeze: { scope, reason, set_by, set_at }, now }: { freeze: Freeze; now: number }) {
  const prices = usePrices();
  const queries = useQueryClient();
  return (
    <p>
      <strong>
        Frozen: <bdi>{scopeText(scope, (id) => prices.rows.get(id)?.name)}</bdi>.
      </strong>{" "}
      <bdi>{reason}</bdi> (<bdi>{set_by}</bdi>, {formatAge(now - Date.parse(set_at))} ago){" "}
      <button
        type="button"
        className="link"
        onClick={() => void withKey(() => lift(queries, scope, reason).catch(notifyProblem))}
      >
        Lift
      </button>
    </p>
  );
}
