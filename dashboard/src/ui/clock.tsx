/** Moments and ages, and the timer that keeps them current. */

import { useEffect, useState } from "react";
import { formatAge, formatTime, formatUtc } from "./format";

/** A value that nothing has confirmed for this long is shown as stale. */
export const STALE_AFTER_MS = 15 * 60_000;

/** The time now, in milliseconds; the component is drawn again every `everyMs`. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Age({ at, now }: { at: number; now: number }) {
  const age = Math.max(0, now - at);
  const stale = age > STALE_AFTER_MS;
  return (
    <time
      className={stale ? "age stale" : "age"}
      dateTime={new Date(at).toISOString()}
      title={`${formatTime(at)} (${formatUtc(at)})`}
    >
      {stale ? "⚠ " : ""}
      {formatAge(age)}
    </time>
  );
}

/** A moment in the chosen zone, with UTC on hover. */
export function Moment({ at }: { at: string | number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatUtc(at)}>
      {formatTime(at)}
    </time>
  );
}
