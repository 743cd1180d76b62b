/** The points of the chart, and the spans of time that overrides take on it. */

import type { PastOverride, Source } from "../api/types";

/** event_time_ms, price, demand, source, version: OpenAPI does not describe rows that are arrays. */
export type ChartPoint = [number, number, number, Source, number];

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
