/** A row of the price store: the state of one product on this page. It changes in place. */

import type { Source } from "../api/types";
import type { BoardRow } from "./messages";

/** The number of points of a sparkline, and the shortest time between two of them. */
export const SPARK_POINTS = 24;
const SPARK_EVERY_MS = 1_000;

export interface Row {
  readonly id: string;
  name: string;
  /** The name, or the id of what has none, in lower case: what products are sorted by. */
  sortName: string;
  category: string;
  price: number;
  demand: number;
  source: Source;
  version: number;
  /** Wall clock (ms) of the last decision; for an update over the live link, the time when it came. */
  updatedAt: number;
  boundBy: string | null;
  dayOpen: number | null;
  day: number;
  /** The last move that a person could have seen, and when. */
  moved: -1 | 0 | 1;
  movedAt: number;
  spark: number[];
  sparkAt: number;
  /** Grows with every change. A line that was drawn with the same number is up to date. */
  stamp: number;
}

export function newRow(found: BoardRow): Row {
  const [id, name, category, price, demand, source, version, updatedAt, boundBy, dayOpen] = found;
  return {
    id,
    name,
    sortName: (name || id).toLowerCase(),
    category,
    price,
    demand,
    source,
    version,
    updatedAt,
    boundBy,
    dayOpen,
    day: -1,
    moved: 0,
    movedAt: 0,
    spark: [demand],
    sparkAt: 0,
    stamp: 1,
  };
}

/** Take a new price and demand into a row: the direction of the move, and the sparkline. */
export function move(row: Row, price: number, demand: number, now: number): void {
  if (price !== row.price) {
    row.moved = price > row.price ? 1 : -1;
    row.movedAt = now;
  }
  row.price = price;
  row.demand = demand;
  if (now - row.sparkAt >= SPARK_EVERY_MS) {
    row.sparkAt = now;
    if (row.spark.length >= SPARK_POINTS) row.spark.shift();
    row.spark.push(demand);
  } else {
    row.spark[row.spark.length - 1] = demand;
  }
}

/** Change of the price since the day began, in per cent; null if the day's open is not known. */
export function changeOf(row: Row): number | null {
  return row.dayOpen ? ((row.price - row.dayOpen) / row.dayOpen) * 100 : null;
}
