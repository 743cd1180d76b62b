/** The tiles at the top: each service, and the numbers of the last seconds. */

import type { Status } from "../api/types";
import { useNow } from "../ui/clock";
import { formatAge, formatMilliseconds, formatNumber, formatWhole } from "../ui/format";
import { nameOf, numberText } from "./words";

const SAYS = { up: "up", degraded: "degraded", down: "down", none: "not configured" };

export function Tiles({ status: { dependencies, flow, relay } }: { status: Status }) {
  const now = useNow();
  const write = flow?.sinks.price_updates?.latency_ms;
  const median = sum(write?.p50, relay.latency_ms.p50);
  const slow = sum(write?.p99, relay.latency_ms.p99);
  return (
    <div className="tiles">
      {(Object.keys(dependencies) as (keyof Status["dependencies"])[]).map((name) => (
        <div key={name} className={`tile ${dependencies[name]}`}>
          <span className="dim">{nameOf(name)}</span>
          <strong>
            <span className="dot" aria-hidden="true" /> {SAYS[dependencies[name]]}
          </strong>
        </div>
      ))}
      <Tile name="Events a second" value={numberText(flow?.events_per_s)} />
      <Tile name="Updates a second" value={formatNumber(relay.updates_per_s)} />
      <Tile name="Lag (messages)" value={numberText(flow?.lag)} />
      <Tile name="Products" value={numberText(flow?.products)} />
      <Tile
        name="Event to screen, p50, p99"
        value={`≤ ${formatMilliseconds(median)}, ${formatMilliseconds(slow)}`}
      />
      <Tile
        name="Last update"
        value={relay.last_update_ms ? `${formatAge(now - relay.last_update_ms)} ago` : "none yet"}
      />
      <Tile name="History backlog" value={numberText(flow?.history_backlog)} />
      <Tile name="WebSocket clients" value={formatWhole(relay.clients)} />
    </div>
  );
}

function Tile({ name, value }: { name: string; value: string }) {
  return (
    <div className="tile">
      <span className="dim">{name}</span>
      <strong className="numbers">{value}</strong>
    </div>
  );
}

function sum(a: number | null | undefined, b: number | null): number | null {
  return a == null || b === null ? null : a + b;
}
