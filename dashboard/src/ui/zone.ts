/** The time zone of all times on the pages: the browser's own or UTC, as the person chooses. */

import { Signal } from "./signal";

export type Zone = "local" | "utc";

/** Kept in this browser by `shell/preferences.ts`. */
export const timeZone = new Signal<Zone>("local");

const LOCAL = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The name of the zone for people, such as `Europe/Berlin`. */
export const zoneName = (): string => (timeZone.value === "utc" ? "UTC" : LOCAL);

const twoDigits = (value: number) => String(value).padStart(2, "0");

/** The moment of a `datetime-local` field, whose text is in the zone; null if it is not a moment. */
export function readMoment(text: string): Date | null {
  const moment = new Date(timeZone.value === "utc" && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(moment.getTime()) ? null : moment;
}

/** The text of a `datetime-local` field, to the minute. */
export function momentText(moment: Date): string {
  if (timeZone.value === "utc") return moment.toISOString().slice(0, 16);
  const day = [moment.getFullYear(), twoDigits(moment.getMonth() + 1), twoDigits(moment.getDate())].join("-");
  return `${day}T${twoDigits(moment.getHours())}:${twoDigits(moment.getMinutes())}`;
}

/** The last millisecond of a moment's day. */
export function endOfDay(moment: Date): Date {
  const end = new Date(moment);
  if (timeZone.value === "utc") end.setUTCHours(23, 59, 59, 999);
  else end.setHours(23, 59, 59, 999);
  return end;
}

/** True if a day begins at a moment (ms). */
export function isMidnight(ms: number): boolean {
  const moment = new Date(ms);
  return timeZone.value === "utc"
    ? moment.getUTCHours() === 0 && moment.getUTCMinutes() === 0
    : moment.getHours() === 0 && moment.getMinutes() === 0;
}
