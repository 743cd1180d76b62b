/** The ticks that a chart is built from: past ones of the API, and live ones. */

import type { Tick } from "../../live/messages";
import { microsOf } from "../micros";
import type { PastTick } from "../types";

export interface ChartTick {
  tsUs: number;
  /** The order among ticks of the same moment. Past ticks of the API have no number: theirs are below 0. */
  seq: number;
  price: number;
  volume: number;
  ma1m: number | null;
  ma5m: number | null;
  isLate: boolean;
}

export function liveTick(tick: Tick): ChartTick {
  const { ts_us, seq, price, volume, ma_1m, ma_5m, is_late } = tick;
  return { tsUs: ts_us, seq, price, volume, ma1m: ma_1m, ma5m: ma_5m, isLate: is_late };
}

/** Past ticks in the order of time. `newestFirst` is as the API gives them. */
export function pastTicksOf(newestFirst: PastTick[]): ChartTick[] {
  return newestFirst
    .map((tick, index) => ({
      tsUs: microsOf(tick.timestamp),
      seq: -1 - index,
      price: tick.price,
      volume: tick.volume,
      ma1m: tick.ma_1m,
      ma5m: tick.ma_5m,
      // A late tick is the only one without averages.
      isLate: tick.ma_1m === null,
    }))
    .reverse();
}

const identity = ({ tsUs, price, volume }: ChartTick) => `${tsUs} ${price} ${volume}`;

/** The live ticks that are not among the past ones. `live` is in the order of numbers. The database gets ticks in that
 * order too, so the past ticks end within `live` or before it: all ticks behind the last that both have are unseen. */
export function unseen(live: ChartTick[], past: ChartTick[]): ChartTick[] {
  const counts = new Map<string, number>();
  for (const tick of past) counts.set(identity(tick), (counts.get(identity(tick)) ?? 0) + 1);
  const met = new Map<string, number>();
  let known = 0;
  live.forEach((tick, index) => {
    const count = (met.get(identity(tick)) ?? 0) + 1;
    met.set(identity(tick), count);
    // Of two equal ticks, the database may have only one.
    if (count <= (counts.get(identity(tick)) ?? 0)) known = index + 1;
  });
  return live.slice(known);
}

/** A tick that is not late is at most this much older than any before it (`MARKET_LATENESS_S`). */
const LATENESS_US = 60_000_000;

export interface KnownTicks {
  /** Each tick once. */
  ticks: ChartTick[];
  /** The number of them, at the end, that the past ticks do not have. */
  unseen: number;
  /** From this moment on (UTC microseconds), `ticks` has every tick. */
  fromUs: number;
}

/** Past and live ticks together. `complete`: `past` has all ticks of its range. If it has the newest only, live ticks may
 * reach further back. Numbers of live ticks without a gap say that none is missing. */
export function known(past: ChartTick[], complete: boolean, live: ChartTick[]): KnownTicks {
  if (complete) {
    const rest = unseen(live, past);
    return { ticks: past.concat(rest), unseen: rest.length, fromUs: Number.NEGATIVE_INFINITY };
  }
  const first = live.findLastIndex((tick, index) => index === 0 || tick.seq !== (live[index - 1]?.seq ?? 0) + 1);
  const run = live.slice(Math.max(0, first));
  const oldestUs = past[0]?.tsUs ?? Number.POSITIVE_INFINITY;
  // The past ticks may end between ticks of one moment.
  const older = run.filter((tick) => tick.tsUs <= oldestUs);
  const newer = older.length ? past.filter((tick) => tick.tsUs > oldestUs) : past;
  const rest = unseen(
    run.filter((tick) => tick.tsUs > oldestUs),
    newer,
  );
  const liveFromUs = run[0] ? run[0].tsUs + LATENESS_US + 1 : Number.POSITIVE_INFINITY;
  return {
    ticks: [...older, ...newer, ...rest],
    unseen: rest.length,
    fromUs: Math.min(oldestUs + 1, liveFromUs),
  };
}
