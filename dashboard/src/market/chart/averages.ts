/** The two moving averages of a chart. */

import type { Bar } from "../types";
import type { ChartTick } from "./ticks";

/** A point of both lines, at the start (s) of a bar. */
export interface AveragePoint {
  start: number;
  /** Null where the average is not known. */
  short: number | null;
  long: number | null;
}

/** With longer bars, the averages of the last tick of each say little about it. */
export const TICK_AVERAGES_MAX_S = 60;
export const SHORT_BARS = 5;
export const LONG_BARS = 20;

/** The names of the two lines. `ofTicks`: they are the averages that ticks carry, and not means of closes. */
export function averageNames(ofTicks: boolean): [string, string] {
  return ofTicks
    ? ["1 m average", "5 m average"]
    : [`average of ${SHORT_BARS} bars`, `average of ${LONG_BARS} bars`];
}

/** The averages of the last tick of each bar, `ma_1m` and `ma_5m`. */
export class TickAverages {
  private readonly points = new Map<number, AveragePoint & { tsUs: number; seq: number }>();

  constructor(private readonly intervalS: number) {}

  add({ tsUs, seq, ma1m, ma5m, isLate }: ChartTick): void {
    if (isLate) return;
    const start = Math.floor(tsUs / (this.intervalS * 1_000_000)) * this.intervalS;
    const before = this.points.get(start);
    if (before && (before.tsUs > tsUs || (before.tsUs === tsUs && before.seq > seq))) return;
    this.points.set(start, { start, short: ma1m, long: ma5m, tsUs, seq });
  }

  /** One point for each bar. */
  of(bars: Bar[]): AveragePoint[] {
    return bars.map(({ start }) => this.at(start));
  }

  at(start: number): AveragePoint {
    const { short = null, long = null } = this.points.get(start) ?? {};
    return { start, short, long };
  }
}

/** Means of the last closes; null where there are fewer bars. */
export function barAverages(bars: Bar[]): AveragePoint[] {
  return bars.map(({ start }, index) => ({
    start,
    short: meanOfLast(bars, index, SHORT_BARS),
    long: meanOfLast(bars, index, LONG_BARS),
  }));
}

function meanOfLast(bars: Bar[], index: number, count: number): number | null {
  if (index + 1 < count) return null;
  let sum = 0;
  for (let at = index + 1 - count; at <= index; at += 1) sum += (bars[at] as Bar).close;
  return sum / count;
}
