/** The explanation of the price: in words, as a waterfall, and raw. */

import type { UseQueryResult } from "@tanstack/react-query";
import type { Explanation } from "../api/types";
import { useRules } from "../prices/policy";
import { Moment } from "../ui/clock";
import { Waterfall } from "./waterfall";

export function WhyCard({ explanation: { data, isPending, error } }: { explanation: UseQueryResult<Explanation> }) {
  return (
    <section className="card" aria-labelledby="why">
      <h2 id="why">Why this price</h2>
      {data ? <Why explanation={data} /> : null}
      {isPending ? <p className="loading">Loading…</p> : null}
      {error ? <p className="error">{error.message}</p> : null}
    </section>
  );
}

function Why({ explanation }: { explanation: Explanation }) {
  const rules = useRules();
  return (
    <>
      <p>{explanation.text}</p>
      <Waterfall adjustments={explanation.adjustments} price={explanation.price} />
      <p className="dim small">
        {explanation.bound_by ? `Bound by: ${rules.label(explanation.bound_by)}. ` : "No guardrail bound it. "}
        Policy {explanation.policy} · version {explanation.version} · <Moment at={explanation.event_time_ms} />
      </p>
      <details>
        <summary>Raw decision</summary>
        <pre>{JSON.stringify(explanation, null, 2)}</pre>
      </details>
    </>
  );
}
