/** Ticks for tests. */

import type { ChartTick } from "../../src/market/chart/ticks";
import type { Tick } from "../../src/live/messages";

/** `at` is in seconds since the epoch. */
export const chartTick = (at: number, seq: number, price: number, more: Partial<ChartTick> = {}): ChartTick => ({
  tsUs: Math.round(at * 1_000_000),
  seq,
  price,
  volume: 1,
  ma1m: price,
  ma5m: price,
  isLate: false,
  ...more,
});

/** `at` is in seconds since the epoch. */
export const tick = (symbol: string, at: number, seq: number, price: number, more: Partial<Tick> = {}): Tick => ({
  type: "tick",
  symbol,
  price,
  volume: 1,
  timestamp: new Date(at * 1000).toISOString(),
  ts_us: at * 1_000_000,
  seq,
  ma_1m: price,
  ma_5m: price,
  vol_1m: 1,
  vwap_1m: price,
  is_anomaly: false,
  is_late: false,
  anomalies: [],
  ...more,
});
