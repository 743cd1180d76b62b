/** The ranges of time that a chart can show. Each ends with the latest tick: those of a replay may lie years back. */

export const RANGES = ["5m", "15m", "60m", "1d", "all"] as const;
export type Range = (typeof RANGES)[number];

export const RANGE_NAMES: Record<Range, string> = {
  "5m": "5 minutes",
  "15m": "15 minutes",
  "60m": "60 minutes",
  "1d": "a day",
  all: "all",
};

export interface Plan {
  /** Its first moment (UTC microseconds); null for the first tick there is. */
  fromUs: number | null;
  /** The API picks the finest bars of which the range has at most so many. */
  points: number;
  /** Bars finer than a minute (s), built here if all ticks of the range are known; null for none. */
  fineS: number | null;
  /** The largest number of pages of ticks that are read. */
  tickPages: number;
}

const MINUTE_US = 60_000_000;
const PLANS: Record<Range, { spanUs: number | null } & Omit<Plan, "fromUs">> = {
  "5m": { spanUs: 5 * MINUTE_US, points: 60, fineS: 5, tickPages: 1 },
  "15m": { spanUs: 15 * MINUTE_US, points: 60, fineS: 15, tickPages: 2 },
  "60m": { spanUs: 60 * MINUTE_US, points: 120, fineS: null, tickPages: 3 },
  "1d": { spanUs: 24 * 60 * MINUTE_US, points: 300, fineS: null, tickPages: 1 },
  all: { spanUs: null, points: 500, fineS: null, tickPages: 1 },
};

/** The way to load a range. `latestUs` is the time of the latest tick. The range begins with a whole minute, so that its
 * first bar is a whole one. */
export function planOf(range: Range, latestUs: number): Plan {
  const { spanUs, ...plan } = PLANS[range];
  return { ...plan, fromUs: spanUs === null ? null : Math.floor((latestUs - spanUs) / MINUTE_US) * MINUTE_US };
}

export function readRange(text: string | null): Range {
  return (RANGES as readonly string[]).includes(text ?? "") ? (text as Range) : "60m";
}

/** An interval for people: `5 s`, `1 m`, `1 h`, `1 d`. */
export function intervalText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${seconds / 60} m`;
  return seconds < 86_400 ? `${seconds / 3_600} h` : `${seconds / 86_400} d`;
}
