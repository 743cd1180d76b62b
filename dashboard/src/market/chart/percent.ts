/** The comparison of two symbols: each as its change in per cent since the first bar that both have. */

import type { Bar } from "../types";

export interface PercentPoint {
  start: number;
  percent: number;
}

/** The start (s) of the first bar that both have; null if there is none. */
export function sharedStart(one: Bar[], other: Bar[]): number | null {
  const starts = new Set(other.map((bar) => bar.start));
  return one.find((bar) => starts.has(bar.start))?.start ?? null;
}

/** The change of the close in per cent, from the close of the bar at `base` (s) on. */
export function percentsOf(bars: Bar[], base: number | null): PercentPoint[] {
  const origin = bars.find((bar) => bar.start === base)?.close;
  if (!origin || base === null) return [];
  return bars
    .filter((bar) => bar.start >= base)
    .map(({ start, close }) => ({ start, percent: (close / origin - 1) * 100 }));
}

/** The change at a moment (s): that of the last bar until then. */
export function percentAt(points: PercentPoint[], start: number): number | null {
  return points.findLast((point) => point.start <= start)?.percent ?? null;
}
