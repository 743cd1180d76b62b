/** Bars that grow with live ticks, by the rules of the server: a bar begins at a multiple of its interval in UTC, opens
 * with the first tick by (time, number), closes with the last, and a late tick changes none. */

import type { Bar } from "../types";
import type { ChartTick } from "./ticks";
import { fromUnits, toUnits, turnoverOf, vwapOf } from "./units";

/** The oldest bars go when there are more. */
export const BARS_MAX = 3_000;

/** Time (UTC microseconds) and number of a tick. */
type Place = readonly [number, number];

interface Growing {
  bar: Bar;
  volume: bigint;
  turnover: bigint;
  /** The ticks of open and close. */
  first: Place;
  last: Place;
}

const isBefore = (a: Place, b: Place) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);

export class Bars {
  /** In the order of their starts. */
  private starts: number[] = [];
  private readonly growing = new Map<number, Growing>();

  /** `bars` are those of the server, the oldest first. `latestUs` is the time of the latest tick that they have. */
  constructor(
    readonly intervalS: number,
    bars: Bar[] = [],
    latestUs = 0,
  ) {
    for (const bar of bars) this.set(bar, latestUs);
  }

  get list(): Bar[] {
    return this.starts.flatMap((start) => this.growing.get(start)?.bar ?? []);
  }

  get last(): Bar | undefined {
    return this.growing.get(this.starts.at(-1) ?? Number.NaN)?.bar;
  }

  at(start: number): Bar | undefined {
    return this.growing.get(start)?.bar;
  }

  startOf(tsUs: number): number {
    return Math.floor(tsUs / (this.intervalS * 1_000_000)) * this.intervalS;
  }

  /** Count a tick. Returns the start of the bar that changed; null for a late tick, and for one before the first bar. */
  add(tick: ChartTick): number | null {
    const start = this.startOf(tick.tsUs);
    if (tick.isLate || (this.starts.length > 0 && start < (this.starts[0] ?? 0))) return null;
    const volume = toUnits(tick.volume);
    const turnover = toUnits(tick.price) * volume;
    const place: Place = [tick.tsUs, tick.seq];
    const found = this.growing.get(start);
    if (!found) {
      const { price } = tick;
      const bar = { start, open: price, high: price, low: price, close: price, ...counts(volume, turnover, 1) };
      this.insert({ bar, volume, turnover, first: place, last: place });
      return start;
    }
    found.volume += volume;
    found.turnover += turnover;
    const bar = { ...found.bar, ...counts(found.volume, found.turnover, found.bar.trades + 1) };
    if (isBefore(place, found.first)) [bar.open, found.first] = [tick.price, place];
    if (isBefore(found.last, place)) [bar.close, found.last] = [tick.price, place];
    bar.high = Math.max(bar.high, tick.price);
    bar.low = Math.min(bar.low, tick.price);
    found.bar = bar;
    return start;
  }

  /** Take a bar of the server in place of the own one. */
  private set(bar: Bar, latestUs: number): void {
    const volume = toUnits(bar.volume);
    const startUs = bar.start * 1_000_000;
    const endUs = startUs + this.intervalS * 1_000_000;
    // The server does not say which ticks opened and closed the bar. So a live tick never changes its open, and changes its
    // close if it is not older than the latest tick that the server had.
    const last = Math.min(Math.max(latestUs, startUs), endUs - 1);
    this.insert({
      bar,
      volume,
      turnover: turnoverOf(bar.vwap, volume),
      first: [startUs, Number.NEGATIVE_INFINITY],
      last: [last, Number.NEGATIVE_INFINITY],
    });
  }

  private insert(growing: Growing): void {
    const { start } = growing.bar;
    const known = this.growing.has(start);
    this.growing.set(start, growing);
    if (known) return;
    const last = this.starts.at(-1);
    this.starts.push(start);
    if (last !== undefined && start < last) this.starts.sort((a, b) => a - b);
    if (this.starts.length > BARS_MAX) this.growing.delete(this.starts.shift() ?? Number.NaN);
  }
}

const counts = (volume: bigint, turnover: bigint, trades: number) => ({
  volume: fromUnits(volume),
  trades,
  vwap: vwapOf(turnover, volume),
  is_final: false,
});

/** The bars of ticks alone. */
export function barsOf(ticks: ChartTick[], intervalS: number): Bars {
  const bars = new Bars(intervalS);
  for (const tick of ticks) bars.add(tick);
  return bars;
}
