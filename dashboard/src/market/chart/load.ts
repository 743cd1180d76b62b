/** Loads the data of a chart: bars, ticks and anomalies of a range that ends with the latest tick. */

import { ApiError } from "../../api/client";
import { microsOf, momentOf } from "../micros";
import { anomaliesOf, BARS_MAX, barsByInterval, barsByPoints, latestTick, pastTicks, TICKS_MAX } from "../requests";
import type { Anomaly, Bar, MarketPrice, PastTick } from "../types";
import { type Plan, planOf, type Range } from "./ranges";
import { type ChartTick, pastTicksOf } from "./ticks";

const ANOMALIES = 200;

/** The data of one symbol. */
export interface SymbolData {
  symbol: string;
  latest: MarketPrice;
  /** The interval of the bars (s). */
  intervalS: number;
  bars: Bar[];
  /** In the order of time. */
  ticks: ChartTick[];
  /** All ticks of the range are there. */
  complete: boolean;
  anomalies: Anomaly[];
  /** The open of the UTC day of the latest tick. */
  dayOpen: number | null;
}

export interface ChartData {
  range: Range;
  plan: Plan;
  main: SymbolData;
  other: SymbolData | null;
}

/** Raises ApiError; its status is 404 if nobody knows the symbol. */
export async function loadChart(symbol: string, range: Range, other: string | null): Promise<ChartData> {
  const latest = await latestTick(symbol);
  const plan = planOf(range, microsOf(latest.timestamp));
  const main = await loadSymbol(symbol, latest, plan, null);
  return { range, plan, main, other: other ? await loadOther(other, plan, main.intervalS) : null };
}

async function loadOther(symbol: string, plan: Plan, intervalS: number): Promise<SymbolData> {
  try {
    return await loadSymbol(symbol, await latestTick(symbol), plan, intervalS);
  } catch (problem) {
    const { status = 0, message } = problem as ApiError;
    throw new ApiError(status, `${symbol}: ${message}`);
  }
}

/** `intervalS` is null for the interval that fits the plan. */
async function loadSymbol(
  symbol: string,
  latest: MarketPrice,
  plan: Plan,
  intervalS: number | null,
): Promise<SymbolData> {
  const from = plan.fromUs === null ? undefined : momentOf(plan.fromUs);
  const [found, past, anomalies, days] = await Promise.all([
    intervalS === null
      ? barsByPoints(symbol, plan.points, from)
      : barsByInterval(symbol, intervalS, BARS_MAX, from),
    readTicks(symbol, from, plan.tickPages),
    anomaliesOf({ symbol, from, limit: ANOMALIES }),
    barsByInterval(symbol, 86_400, 1),
  ]);
  return {
    symbol,
    latest,
    intervalS: found.interval_s,
    bars: found.bars,
    ticks: pastTicksOf(past.ticks),
    complete: past.complete,
    anomalies,
    dayOpen: days.bars.at(-1)?.open ?? null,
  };
}

/** Ticks from a moment on, the newest first; at most so many pages of them. */
async function readTicks(
  symbol: string,
  from: string | undefined,
  pages: number,
): Promise<{ ticks: PastTick[]; complete: boolean }> {
  let ticks: PastTick[] = [];
  let to: string | undefined;
  for (let page = 0; page < pages; page += 1) {
    const found = await pastTicks(symbol, { from, to });
    ticks = ticks.concat(found);
    if (found.length < TICKS_MAX) return { ticks, complete: true };
    // The page may end between ticks of one moment: the next one begins with that moment again.
    const oldest = found.at(-1)?.timestamp ?? "";
    const whole = ticks.filter((tick) => tick.timestamp !== oldest);
    if (whole.length === 0 || page === pages - 1) break;
    ticks = whole;
    to = momentOf(microsOf(oldest) + 1);
  }
  return { ticks, complete: false };
}
