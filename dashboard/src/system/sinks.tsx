/** The sinks of the flow, one a line: state, queue, counts and latencies. */

import type { Flow, Quantiles } from "../api/types";
import { formatMilliseconds, formatWhole } from "../ui/format";
import { nameOf, numberText, total } from "./words";

/** `flow` is null if no process of the flow answers. */
export function Sinks({ flow }: { flow: Flow | null }) {
  return (
    <section className="card" aria-labelledby="sinks">
      <h2 id="sinks">Sinks</h2>
      {flow ? (
        <SinkTable sinks={flow.sinks} />
      ) : (
        <p className="empty-note">
          The flow does not answer: set FLOW_METRICS to its metrics addresses if it runs elsewhere.
        </p>
      )}
      <p className="dim small">
        Latency: from an event's arrival in Kafka to the confirmed write. Redis refills: {numberText(flow?.refills)}
        . Guardrail alerts: {numberText(total(flow?.alerts ?? {}))}. Flow processes: {numberText(flow?.processes)}.
      </p>
    </section>
  );
}

function SinkTable({ sinks }: { sinks: Flow["sinks"] }) {
  return (
    <section className="scroll" aria-labelledby="sinks" tabIndex={0}>
      <table className="plain numbers">
        <thead>
          <tr>
            <th scope="col">Sink</th>
            <th scope="col">State</th>
            <th scope="col">Pending</th>
            <th scope="col">Written</th>
            <th scope="col">Errors</th>
            <th scope="col">p50</th>
            <th scope="col">p99</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(sinks).map(([name, sink]) => (
            <tr key={name}>
              <th scope="row">{nameOf(name)}</th>
              <td>
                <span className={`tag ${sink.breaker_open ? "bad" : "good"}`}>
                  {sink.breaker_open ? "breaker open" : "writing"}
                </span>
              </td>
              <td>{formatWhole(sink.pending)}</td>
              <td>{formatWhole(sink.written)}</td>
              <td>{formatWhole(sink.errors)}</td>
              <td>{bound(sink.latency_ms, "p50")}</td>
              <td>{bound(sink.latency_ms, "p99")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The flow's latencies are bounds of histogram buckets. */
function bound(latency: Quantiles, name: keyof Quantiles): string {
  const value = latency[name];
  return value === null ? "—" : `≤ ${formatMilliseconds(value)}`;
}
