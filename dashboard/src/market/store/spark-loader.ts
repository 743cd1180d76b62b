/** Loads the sparklines of the symbols on the screen, a few at a time. */

import { momentOf } from "../micros";
import { barsByPoints } from "../requests";
import { dayStartOf, type MarketRow } from "./row";
import { extend, SPARK_POINTS, sparkOf } from "./spark";

const AT_ONCE = 4;
const FRESH_MS = 5 * 60_000;

export class SparkLoader {
  private wanted: string[] = [];
  private readonly loading = new Set<string>();
  /** The time from which a symbol may be asked for again after a failure (ms). */
  private readonly notBefore = new Map<string, number>();

  constructor(
    private readonly rows: Map<string, MarketRow>,
    private readonly onLoaded: () => void,
  ) {}

  /** From now on these symbols, and no others. */
  want(symbols: string[]): void {
    this.wanted = symbols;
    this.next();
  }

  private next(): void {
    const now = Date.now();
    for (const symbol of this.wanted) {
      if (this.loading.size >= AT_ONCE) return;
      const row = this.rows.get(symbol);
      const fresh = row?.spark && now - row.spark.loadedAt < FRESH_MS;
      if (row && !fresh && !this.loading.has(symbol) && (this.notBefore.get(symbol) ?? 0) <= now) {
        void this.load(row);
      }
    }
  }

  private async load(row: MarketRow): Promise<void> {
    this.loading.add(row.symbol);
    try {
      const found = await barsByPoints(row.symbol, SPARK_POINTS, momentOf(dayStartOf(row.tsUs)));
      row.spark = sparkOf(found, Date.now());
      extend(row.spark, row.tsUs, row.price);
      row.stamp += 1;
      this.notBefore.delete(row.symbol);
      this.onLoaded();
    } catch {
      // Without its sparkline the row is still right.
      this.notBefore.set(row.symbol, Date.now() + FRESH_MS);
    } finally {
      this.loading.delete(row.symbol);
    }
    this.next();
  }
}
