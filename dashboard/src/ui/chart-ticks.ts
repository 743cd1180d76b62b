/** The texts of a chart's time axis, in the zone of all other times. */

import { formatClock, formatDay, formatMinutes, formatMonth } from "./format";
import { isMidnight } from "./zone";

/** The unit that begins at a tick. */
export type TickUnit = "month" | "day" | "minute" | "second";

/** The text below a tick at `ms`. The chart's library puts the ticks of days and months at midnight UTC. In a zone where
 * that is not midnight, they have the time too. */
export function tickText(ms: number, unit: TickUnit): string {
  if (unit === "second") return formatClock(ms);
  if (unit === "minute") return formatMinutes(ms);
  if (!isMidnight(ms)) return `${formatDay(ms)} ${formatMinutes(ms)}`;
  return unit === "day" ? formatDay(ms) : formatMonth(ms);
}
