/** The sparkline of a symbol: the closes of its bars of the day, the last one live. */

import type { BarList } from "../types";

export const SPARK_POINTS = 48;

export interface Spark {
  closes: number[];
  /** Start (s) of the last bar. */
  start: number;
  intervalS: number;
  /** The time at which the bars were loaded (ms). */
  loadedAt: number;
}

export function sparkOf({ bars, interval_s }: BarList, now: number): Spark {
  const shown = bars.slice(-SPARK_POINTS);
  return {
    closes: shown.map((bar) => bar.close),
    start: shown.at(-1)?.start ?? 0,
    intervalS: interval_s,
    loadedAt: now,
  };
}

/** Take the price of the latest tick, at UTC microseconds. */
export function extend(spark: Spark, tsUs: number, price: number): void {
  const start = Math.floor(tsUs / 1_000_000 / spark.intervalS) * spark.intervalS;
  if (start > spark.start) {
    spark.start = start;
    if (spark.closes.length >= SPARK_POINTS) spark.closes.shift();
    spark.closes.push(price);
  } else if (spark.closes.length) {
    spark.closes[spark.closes.length - 1] = price;
  }
}
