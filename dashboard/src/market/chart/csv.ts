/** The rows of a chart's CSV. */

import type { Bar } from "../types";
import type { AveragePoint } from "./averages";
import type { PercentPoint } from "./percent";

const timeOf = (start: number) => new Date(start * 1000).toISOString();

/** Averages have the names of their lines, with underscores. */
export function barRows(
  symbol: string,
  bars: Bar[],
  averages: AveragePoint[],
  names: [string, string],
): Record<string, unknown>[] {
  const [short, long] = names.map((name) => name.replaceAll(" ", "_")) as [string, string];
  const byStart = new Map(averages.map((point) => [point.start, point]));
  return bars.map(({ start, open, high, low, close, volume, trades, vwap, is_final }) => ({
    symbol,
    start: timeOf(start),
    open,
    high,
    low,
    close,
    volume,
    trades,
    vwap,
    is_final,
    [short]: byStart.get(start)?.short ?? null,
    [long]: byStart.get(start)?.long ?? null,
  }));
}

const PERCENT_DECIMALS = 6;

interface Compared {
  symbol: string;
  bars: Bar[];
  percents: PercentPoint[];
}

/** A row for each start that one of the two has. */
export function comparisonRows(one: Compared, other: Compared): Record<string, unknown>[] {
  const starts = [...new Set([...one.percents, ...other.percents].map((point) => point.start))];
  const columns = [one, other].map(({ symbol, bars, percents }) => ({
    symbol,
    closes: new Map(bars.map((bar) => [bar.start, bar.close])),
    // Without an exponent, which is no number for all readers.
    percents: new Map(percents.map((point) => [point.start, Number(point.percent.toFixed(PERCENT_DECIMALS))])),
  }));
  return starts
    .sort((a, b) => a - b)
    .map((start) => ({
      start: timeOf(start),
      ...Object.fromEntries(
        columns.flatMap(({ symbol, closes, percents }) => [
          [`${symbol} close`, closes.get(start) ?? null],
          [`${symbol} percent`, percents.get(start) ?? null],
        ]),
      ),
    }));
}
