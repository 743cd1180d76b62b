/** Lists of facts: the policy in force, versions, and this page's own live link. */

import type { Status } from "../api/types";
import { usePrices } from "../prices/store";
import { formatWhole } from "../ui/format";
import { useSignal } from "../ui/signal";

export function PolicyFacts({ policy }: { policy: Status["policy"] }) {
  const { version, currency, demand, guardrails, reported_by } = policy;
  const weights = Object.entries(demand.weights).map(([name, weight]) => `${name} ${weight}`);
  const set = Object.entries(guardrails).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && !value.length),
  );
  return (
    <>
      <h2 id="policy">Policy in force</h2>
      {reported_by === "api" ? (
        <p className="error">The flow does not answer: this is the policy that the API was started with.</p>
      ) : null}
      <dl className="facts">
        <dt>Version</dt>
        <dd>{version}</dd>
        <dt>Currency</dt>
        <dd>{currency}</dd>
        <dt>Demand</dt>
        <dd>
          {weights.join(", ")}; {demand.factor} × √demand
          {demand.half_life_s ? `; half-life ${demand.half_life_s} s` : ""}
        </dd>
        {set.map(([name, value]) => (
          <div key={name} className="pair">
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>{Array.isArray(value) ? value.join(", ") : String(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

export function VersionFacts({ versions }: { versions: Status["versions"] }) {
  return (
    <>
      <h2>Versions</h2>
      <dl className="facts">
        {Object.entries(versions).map(([name, version]) => (
          <div key={name} className="pair">
            <dt>{name}</dt>
            <dd>{version}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

export function PageFacts() {
  const prices = usePrices();
  const link = useSignal(prices.link.state);
  return (
    <>
      <h2>This page</h2>
      <dl className="facts">
        <dt>Live link</dt>
        <dd>{link.kind}</dd>
        <dt>Reconnects, gaps</dt>
        <dd>
          {prices.link.reconnects}, {prices.link.gaps}
        </dd>
        <dt>Updates drawn</dt>
        <dd>{formatWhole(prices.updates)}</dd>
      </dl>
    </>
  );
}
