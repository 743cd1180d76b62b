/** Numbers and times for people, in their locale and in the zone of `zone.ts`. For amounts of money see `prices/money.ts`. */

import { formatDuration, intervalToDuration } from "date-fns";
import { timeZone } from "./zone";

const percent = new Intl.NumberFormat(undefined, {
  style: "percent",
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  signDisplay: "exceptZero",
});
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
const MINUTES = { hour: "2-digit", minute: "2-digit" } as const;
const DAY = { day: "numeric", month: "short" } as const;

/** A formatter of times for each zone. */
function inZones(options: Intl.DateTimeFormatOptions): (time: number | string) => string {
  const local = new Intl.DateTimeFormat(undefined, options);
  const utc = new Intl.DateTimeFormat(undefined, { ...options, timeZone: "UTC" });
  return (time) => (timeZone.value === "utc" ? utc : local).format(new Date(time));
}

/** `change` is in per cent. */
export const formatPercent = (change: number) => percent.format(change / 100);
export const formatNumber = (value: number) => number.format(value);
export const formatWhole = (value: number) => whole.format(value);
export const formatClock = inZones(CLOCK);
export const formatMinutes = inZones(MINUTES);
export const formatDay = inZones(DAY);
export const formatMonth = inZones({ month: "short", year: "numeric" });
export const formatDate = inZones({ dateStyle: "medium" });
export const formatTime = inZones({ dateStyle: "medium", timeStyle: "medium" });
export const formatUtc = (time: number | string) =>
  `${new Date(time).toISOString().replace("T", " ").slice(0, 19)} UTC`;

/** An age in one short unit: 4 s, 12 m, 3 h, 2 d. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The time left until a moment, in at most two units. */
export function formatCountdown(untilMs: number, nowMs: number): string {
  if (untilMs <= nowMs) return "ending";
  const { years, months, weeks, days, hours, minutes, seconds } = intervalToDuration({
    start: nowMs,
    end: untilMs,
  });
  const parts = formatDuration({ years, months, weeks, days, hours, minutes, seconds }).split(/(?<=[a-z]) /);
  return parts.slice(0, 2).join(" ");
}

export function formatMilliseconds(ms: number | null): string {
  if (ms === null) return "—";
  return ms < 1000 ? `${(ms < 10 ? number : whole).format(ms)} ms` : `${number.format(ms / 1000)} s`;
}
