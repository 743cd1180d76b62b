/** Alerts that were read. Only the ids of alerts that the inbox can show are kept, so the list does not grow. */

import type { Alert } from "../types";

export function unreadOf(alerts: Alert[], read: string[]): Alert[] {
  const known = new Set(read);
  return alerts.filter((alert) => !known.has(alert.id));
}

const KEPT_MAX = 1_000;

/** The ids that were read, with those of `alerts` in front. */
export function withRead(read: string[], alerts: Alert[]): string[] {
  return [...new Set([...alerts.map((alert) => alert.id), ...read])].slice(0, KEPT_MAX);
}
