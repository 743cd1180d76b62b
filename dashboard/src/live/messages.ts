/** Messages and rows that OpenAPI does not describe: frames of `WS /ws/prices` and `WS /ws/ticks`, and rows that are
 * arrays. */

import type { components } from "../api/schema";
import type { Adjustment, Source } from "../api/types";

export interface PriceUpdate {
  type: "price_update";
  product_id: string;
  new_price: number;
  timestamp: number;
  version: number;
  previous_price: number | null;
  demand: number;
  price_source: Source;
  event_time_ms: number;
  policy: string;
  adjustments: Adjustment[];
  snapshot?: boolean;
}

/** Sent every second. `frames` counts the updates sent so far, which shows a gap; `live` is false if Kafka is down. */
export interface Pulse {
  type: "pulse";
  at_ms: number;
  live: boolean;
  frames: number;
}

/** The product has no price any more: nothing knows it. */
export interface PriceWithdrawn {
  type: "price_withdrawn";
  product_id: string;
  version: number;
}

/** The states that the client has asked for cannot be read. */
export interface LinkError {
  type: "error";
  error: string;
}

/** A tick of the market, as it was applied. `ts_us`: UTC microseconds. Averages are null for a late tick. */
export interface Tick {
  type: "tick";
  symbol: string;
  price: number;
  volume: number;
  timestamp: string;
  ts_us: number;
  seq: number;
  ma_1m: number | null;
  ma_5m: number | null;
  vol_1m: number | null;
  vwap_1m: number | null;
  is_anomaly: boolean;
  is_late: boolean;
  anomalies: { kind: string; severity: string; text: string }[];
  snapshot?: boolean;
}

/** product_id, name, category, price, demand, source, version, updated_at_ms, bound_by, day_open */
export type BoardRow = [
  string,
  string,
  string,
  number,
  number,
  Source,
  number,
  number,
  string | null,
  number | null,
];

/** The row of a product whose price was withdrawn: only its id and version mean something. */
export type WithdrawnRow = [string, string, string, null, number, string, number, ...unknown[]];

/** An answer of `GET /board`. */
export type BoardPage = Omit<components["schemas"]["BoardShown"], "rows"> & { rows: (BoardRow | WithdrawnRow)[] };
