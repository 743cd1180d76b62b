/** The chart of a reader without the key: the prices that came while the page was open. */

import { useEffect, useState } from "react";
import type { Row } from "../live/row";
import { usePrices } from "../prices/store";
import type { ChartPoint } from "./chart-points";

export const LIVE_POINTS_MAX = 800;
const LOOK_EVERY_MS = 1_000;

/** At most one point a second, the oldest first. Empty if `wanted` is false. */
export function useLivePoints(id: string, wanted: boolean): ChartPoint[] {
  const prices = usePrices();
  const [points, setPoints] = useState<ChartPoint[]>([]);
  useEffect(() => {
    if (!wanted) return;
    const look = () => {
      const row = prices.rows.get(id);
      if (row) setPoints((before) => withNewest(before, row));
    };
    look();
    const timer = setInterval(look, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [prices, id, wanted]);
  return wanted ? points : [];
}

type Newest = Pick<Row, "updatedAt" | "price" | "demand" | "source" | "version">;

/** The points with the row's price at their end, or the same points if they have it. */
export function withNewest(points: ChartPoint[], row: Newest): ChartPoint[] {
  const last = points.at(-1);
  if (row.version === 0 || (last && row.version <= last[4])) return points;
  const point: ChartPoint = [row.updatedAt, row.price, row.demand, row.source, row.version];
  return [...points, point].slice(-LIVE_POINTS_MAX);
}
