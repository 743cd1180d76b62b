/** A row of the market store: the state of one symbol on this page. It changes in place. */

import type { Tick } from "../../live/messages";
import { microsOf } from "../micros";
import type { Anomaly, SymbolShown } from "../types";
import { extend, type Spark } from "./spark";

const DAY_US = 86_400_000_000;
/** An anomaly marks its symbol until the symbol's own time is this much later. */
const MARKED_US = 15 * 60 * 1_000_000;

export interface MarketRow {
  readonly symbol: string;
  /** In lower case: what symbols are sorted by. */
  readonly sortName: string;
  price: number;
  volume: number;
  /** Time (UTC microseconds) and number of the latest tick. */
  tsUs: number;
  seq: number;
  /** The greatest number of a tick that came, late ones included. */
  version: number;
  /** The open of the UTC day of the latest tick. */
  dayOpen: number | null;
  isAnomaly: boolean;
  /** The newest anomaly that is known: its time and its text. */
  anomaly: { atUs: number; text: string } | null;
  /** The last move that a person could have seen, and when (ms). */
  moved: -1 | 0 | 1;
  movedAt: number;
  spark: Spark | null;
  /** Grows with every change. A line that was drawn with the same number is up to date. */
  stamp: number;
}

const dayOf = (us: number) => Math.floor(us / DAY_US);

/** The start of the UTC day of a moment, both in microseconds. */
export const dayStartOf = (us: number) => dayOf(us) * DAY_US;

export function newRow(found: SymbolShown): MarketRow {
  return {
    symbol: found.symbol,
    sortName: found.symbol.toLowerCase(),
    price: found.price,
    volume: found.volume,
    tsUs: microsOf(found.timestamp),
    seq: found.seq,
    version: found.seq,
    dayOpen: openOf(found),
    isAnomaly: found.is_anomaly,
    anomaly: null,
    moved: 0,
    movedAt: 0,
    spark: null,
    stamp: 1,
  };
}

/** The open of the day, out of the price and its change since then. */
function openOf({ price, change_percent }: SymbolShown): number | null {
  return change_percent === null ? null : price / (1 + change_percent / 100);
}

/** Take a row of a page of symbols. Its latest tick may be older than the one that is known. */
export function takeShown(row: MarketRow, found: SymbolShown, now: number): void {
  const tsUs = microsOf(found.timestamp);
  const isNewer = tsUs > row.tsUs || (tsUs === row.tsUs && found.seq > row.seq);
  if (isNewer) move(row, { ...found, ts_us: tsUs }, now);
  if (dayOf(tsUs) === dayOf(row.tsUs)) row.dayOpen = openOf(found) ?? row.dayOpen;
  row.version = Math.max(row.version, found.seq);
  row.stamp += 1;
}

/** Take a tick. A late one, and one that is not the latest, change no price. */
export function takeTick(row: MarketRow, tick: Tick, now: number): void {
  row.version = Math.max(row.version, tick.seq);
  if (tick.is_late || tick.ts_us < row.tsUs || (tick.ts_us === row.tsUs && tick.seq <= row.seq)) return;
  // The first tick of a day that came here. A page of symbols corrects it if there was one before.
  if (dayOf(tick.ts_us) > dayOf(row.tsUs)) row.dayOpen = tick.price;
  move(row, tick, now);
  if (tick.is_anomaly) takeAnomaly(row, tick.ts_us, tick.anomalies.map((each) => each.text).join("; "));
  row.stamp += 1;
}

type Moved = Pick<Tick, "price" | "volume" | "ts_us" | "seq" | "is_anomaly">;

function move(row: MarketRow, tick: Moved, now: number): void {
  if (tick.price !== row.price) {
    row.moved = tick.price > row.price ? 1 : -1;
    row.movedAt = now;
  }
  row.price = tick.price;
  row.volume = tick.volume;
  row.tsUs = tick.ts_us;
  row.seq = tick.seq;
  row.isAnomaly = tick.is_anomaly;
  if (row.spark) extend(row.spark, tick.ts_us, tick.price);
}

function takeAnomaly(row: MarketRow, atUs: number, text: string): void {
  if (!row.anomaly || atUs > row.anomaly.atUs) row.anomaly = { atUs, text };
}

/** Take anomalies of the API. */
export function takeAnomalies(rows: Map<string, MarketRow>, anomalies: Anomaly[]): void {
  for (const { symbol, timestamp, text } of anomalies) {
    const row = rows.get(symbol);
    const atUs = microsOf(timestamp);
    if (!row || (row.anomaly && row.anomaly.atUs >= atUs)) continue;
    takeAnomaly(row, atUs, text);
    row.stamp += 1;
  }
}

/** Change of the price since the day began, in per cent; null if the day's open is not known. */
export function changeOf(row: MarketRow): number | null {
  return row.dayOpen ? ((row.price - row.dayOpen) / row.dayOpen) * 100 : null;
}

/** The text of the anomaly that marks a symbol; null for none. */
export function markOf(row: MarketRow): string | null {
  if (row.anomaly && row.tsUs - row.anomaly.atUs < MARKED_US) return row.anomaly.text || "unusual tick";
  return row.isAnomaly ? "unusual tick" : null;
}
