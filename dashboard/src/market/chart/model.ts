/** The model of a chart: its bars, averages and anomalies, loaded once and then live. It changes in place. */

import { Frames } from "../../live/frames";
import type { Tick } from "../../live/messages";
import { microsOf } from "../micros";
import type { Bar } from "../types";
import { type AveragePoint, barAverages, LONG_BARS, TICK_AVERAGES_MAX_S, TickAverages } from "./averages";
import { Bars, barsOf } from "./bars";
import type { ChartData, SymbolData } from "./load";
import { type PercentPoint, percentsOf, sharedStart } from "./percent";
import { type ChartTick, known, type KnownTicks, liveTick } from "./ticks";

/** The oldest anomalies go when there are more. */
const ANOMALIES_MAX = 300;

export interface Marked {
  atUs: number;
  price: number;
  kind: string;
  text: string;
}

/** The part of the model for one symbol. */
export class SymbolModel {
  readonly symbol: string;
  readonly bars: Bars;
  /** The averages are those of ticks: all ticks of the range are known, and bars are short. If not, they are means of
   * closes. */
  readonly ofTicks: boolean;
  private readonly averages: TickAverages;
  /** The oldest first. */
  anomalies: Marked[];

  /** `fineS`: the interval of bars that are built from ticks alone; null for the bars of the server. `live`: the ticks
   * that came while the data was loaded, in the order of their numbers. */
  constructor(data: SymbolData, fineS: number | null, live: ChartTick[]) {
    this.symbol = data.symbol;
    const found = known(data.ticks, data.complete, live);
    this.bars = fineS === null ? mergedBars(data, found) : barsOf(found.ticks, fineS);
    this.averages = new TickAverages(this.bars.intervalS);
    for (const tick of found.ticks) this.averages.add(tick);
    const { intervalS, list } = this.bars;
    this.ofTicks = intervalS <= TICK_AVERAGES_MAX_S && (list[0]?.start ?? 0) * 1_000_000 >= found.fromUs;
    this.anomalies = data.anomalies
      .map(({ timestamp, price, kind, text }) => ({ atUs: microsOf(timestamp), price, kind, text }))
      .reverse();
  }

  /** Count a tick. Returns the start (s) of the bar that changed; null for none. */
  add(tick: ChartTick): number | null {
    this.averages.add(tick);
    return this.bars.add(tick);
  }

  mark(tick: Tick): void {
    for (const { kind, text } of tick.anomalies) {
      const known = this.anomalies.some((each) => each.atUs === tick.ts_us && each.kind === kind);
      if (!known) this.anomalies.push({ atUs: tick.ts_us, price: tick.price, kind, text });
    }
    if (this.anomalies.length > ANOMALIES_MAX) this.anomalies = this.anomalies.slice(-ANOMALIES_MAX);
  }

  anomaliesIn(start: number): Marked[] {
    return this.anomalies.filter((each) => this.bars.startOf(each.atUs) === start);
  }

  /** The two lines, a point for each bar. */
  averagePoints(bars: Bar[] = this.bars.list): AveragePoint[] {
    return this.ofTicks ? this.averages.of(bars) : barAverages(bars);
  }

  /** The averages at a bar. */
  averageAt(start: number): AveragePoint {
    if (this.ofTicks) return this.averages.at(start);
    const bars = this.bars.list;
    const end = bars.findIndex((bar) => bar.start === start) + 1;
    return barAverages(bars.slice(Math.max(0, end - LONG_BARS), end)).at(-1) ?? { start, short: null, long: null };
  }
}

/** The bars of the server. Those that are not final are up to two seconds old, so they are built from the ticks, if all of
 * their ticks are known. The others go on with the ticks that came since. */
function mergedBars({ bars, intervalS, latest }: SymbolData, { ticks, unseen, fromUs }: KnownTicks): Bars {
  const kept = bars.filter((bar) => bar.is_final || bar.start * 1_000_000 < fromUs);
  const merged = new Bars(intervalS, kept, microsOf(latest.timestamp));
  const isFinal = new Map(kept.map((bar) => [bar.start, bar.is_final]));
  ticks.forEach((tick, index) => {
    const final = isFinal.get(merged.startOf(tick.tsUs));
    if (final === undefined || (!final && index >= ticks.length - unseen)) merged.add(tick);
  });
  return merged;
}

export class ChartModel {
  /** Grows with the frame after a change. */
  readonly changed = new Frames();
  readonly main: SymbolModel;
  readonly other: SymbolModel | null;
  readonly intervalS: number;
  /** Bars are built from ticks alone. */
  readonly isFine: boolean;
  /** The time at which a comparison begins (s). */
  readonly base: number | null;
  private dirty = new Set<number>();

  /** `liveOf` gives the ticks of a symbol that came while the data was loaded. */
  constructor(
    readonly data: ChartData,
    liveOf: (symbol: string) => Tick[],
  ) {
    const { main, other, plan } = data;
    this.isFine = plan.fineS !== null && main.complete && other?.complete !== false;
    const fineS = this.isFine ? plan.fineS : null;
    const model = (each: SymbolData) => new SymbolModel(each, fineS, liveOf(each.symbol).map(liveTick));
    this.main = model(main);
    this.other = other && model(other);
    this.intervalS = this.main.bars.intervalS;
    this.base = this.other && sharedStart(this.main.bars.list, this.other.bars.list);
  }

  add(tick: Tick): void {
    const model = [this.main, this.other].find((each) => each?.symbol === tick.symbol);
    if (!model) return;
    const start = model.add(liveTick(tick));
    if (start === null) return;
    model.mark(tick);
    this.dirty.add(start);
    this.changed.touch();
  }

  /** The starts of the bars that changed since the last call. */
  takeDirty(): number[] {
    const starts = [...this.dirty].sort((a, b) => a - b);
    this.dirty = new Set();
    return starts;
  }

  /** The line of a comparison. */
  percents(of: SymbolModel): PercentPoint[] {
    return percentsOf(of.bars.list, this.base);
  }

  /** The starts (s) of all bars that are drawn. */
  get starts(): number[] {
    const starts = this.main.bars.list.map((bar) => bar.start);
    if (!this.other) return starts;
    const all = new Set([...starts, ...this.other.bars.list.map((bar) => bar.start)]);
    return [...all].filter((start) => this.base !== null && start >= this.base).sort((a, b) => a - b);
  }
}
