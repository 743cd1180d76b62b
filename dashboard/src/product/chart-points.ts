/** The points of the chart, and the spans of time that overrides take on it. */

import type { PastOverride, Source } from "../api/types";

/** event_time_ms, price, demand, source, version: OpenAPI does not describe rows that are arrays. */
export type ChartPoint = [number, number, number, Source, number];

/** at_ms, stock, clicks of 15 minutes, cheapest competitor; null for what was not known. */
export type SignalPoint = [number, number | null, number, number | null];

/** The values of signals that can be drawn over the price. */
export const OVERLAYS = { stock: 1, competitor: 3 } as const;
export type Overlay = keyof typeof OVERLAYS;

/** The points of an overlay, with their seconds, where the value is known. The last value holds until `endS`. */
export function overlayOf(signals: SignalPoint[], overlay: Overlay, endS = 0): { time: number; value: number }[] {
  const found = signals.flatMap((point) => {
    const value = point[OVERLAYS[overlay]];
    return value === null ? [] : [{ time: Math.floor(point[0] / 1000), value }];
  });
  const last = found.at(-1);
  return last && last.time < endS ? [...found, { time: endS, value: last.value }] : found;
}

/** The last point that is not after a time; undefined if there is none. */
export function signalAt(signals: SignalPoint[], atMs: number): SignalPoint | undefined {
  return signals.findLast(([time]) => time <= atMs);
}

/** One point a second, the last of it: the axis has no finer unit. */
export function bySecond(points: ChartPoint[]): Map<number, ChartPoint> {
  return new Map(points.map((point) => [Math.floor(point[0] / 1000), point]));
}

/** The seconds of the chart that lie within an override. */
export function spansOf(overrides: PastOverride[], times: number[]): Set<number> {
  const spans = overrides.map((override) => [
    Date.parse(override.set_at) / 1000,
    override.removed_at ? Date.parse(override.removed_at) / 1000 : Number.POSITIVE_INFINITY,
  ]);
  return new Set(
    times.filter((time) => spans.some(([from = 0, to = 0]) => time >= Math.floor(from) && time <= to)),
  );
}
