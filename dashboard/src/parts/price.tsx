/** How a price, a change, a source and an age look everywhere. Never by colour alone. */

import { line } from "d3-shape";
import { Snowflake } from "lucide-react";
import { memo, useEffect, useState } from "react";
import type { Source } from "../api";
import { formatAge, formatMoney, formatPercent, formatTime, formatUtc } from "../lib/format";

const FLASH_MS = 900;
/** A price that nothing has confirmed for so long is shown as stale. */
export const STALE_AFTER_MS = 15 * 60_000;

export const Price = memo(function Price({
  price,
  moved,
  movedAt,
}: {
  price: number;
  moved: -1 | 0 | 1;
  movedAt: number;
  /** Of the policy: so that a price is drawn again once it is known. */
  currency: string;
}) {
  const fresh = moved !== 0 && Date.now() - movedAt < FLASH_MS;
  return (
    // A new key starts the flash again.
    <span key={movedAt} className={`amount ${fresh ? (moved > 0 ? "flash-up" : "flash-down") : ""}`}>
      <span className="arrow" aria-hidden="true">
        {moved > 0 ? "▲" : moved < 0 ? "▼" : ""}
      </span>
      {formatMoney(price)}
      <span className="visually-hidden">{moved > 0 ? " up" : moved < 0 ? " down" : ""}</span>
    </span>
  );
});

export function ChangeText({ change }: { change: number | null }) {
  if (change === null) return <span className="dim">—</span>;
  const shown = Math.abs(change) < 0.005 ? 0 : change;
  return <span className={shown > 0 ? "up" : shown < 0 ? "down" : "dim"}>{formatPercent(shown)}</span>;
}

const BOUND: Record<string, string> = {
  max_step: "largest step",
  cooldown: "cooldown",
  floor: "floor",
  ceiling: "ceiling",
  ending: "price ending",
  held: "held",
  freeze: "freeze",
};
export const boundText = (rule: string) => BOUND[rule] ?? rule;

export function SourceTag({
  source,
  boundBy,
  frozen,
}: {
  source: Source;
  boundBy: string | null;
  frozen?: boolean;
}) {
  return (
    <span className="tags">
      <span className={`tag ${source}`}>{source}</span>
      {frozen ? (
        <span className="tag frozen">
          <Snowflake size={11} aria-hidden="true" /> frozen
        </span>
      ) : boundBy ? (
        <span className="tag bound" title={`the ${boundText(boundBy)} had the last word`}>
          {boundText(boundBy)}
        </span>
      ) : null}
    </span>
  );
}

export function Sparkline({
  points,
  width = 72,
  height = 20,
}: {
  points: number[];
  width?: number;
  height?: number;
}) {
  if (points.length < 2) return <svg width={width} height={height} aria-hidden="true" />;
  const low = Math.min(...points);
  const span = Math.max(...points) - low || 1;
  const path = line<number>()
    .x((_, index) => 1 + (index / (points.length - 1)) * (width - 2))
    .y((value) => height - 2 - ((value - low) / span) * (height - 4));
  return (
    <svg width={width} height={height} className="spark" aria-hidden="true">
      <path d={path(points) ?? ""} />
    </svg>
  );
}

/** The clock of all ages on the page: one timer. */
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

/** A moment in the local zone, with UTC on hover. */
export function Moment({ at }: { at: string | number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatUtc(at)}>
      {formatTime(at)}
    </time>
  );
}
