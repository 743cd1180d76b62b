/** Problems of the system as sentences for people. Each names the fault and what still works. */

import type { Status } from "../api/types";
import { formatAge } from "../ui/format";

const DOWN: Record<keyof Status["dependencies"], string> = {
  kafka:
    "Kafka is down: prices stand still, and overrides and freezes cannot be set. Prices shown are the last ones.",
  redis:
    "Redis is down: live updates go on, prices are served from memory. Overrides and freezes cannot be listed.",
  history:
    "The history database is down: no charts and no audit trails until it is back. Prices and overrides go on, and no history is lost.",
  flow: "The pricing flow does not answer: prices stand still until it is back. Nothing that arrives meanwhile is lost.",
};
/** After this time without a status, the numbers on the screen are doubtful. */
export const DOUBTFUL_AFTER_MS = 6_000;

/** `silentMs` is the time since the API's last answer; 0 while it answers. */
export function problemsOf(status: Status | undefined, silentMs: number): string[] {
  if (silentMs > DOUBTFUL_AFTER_MS) {
    return [
      `The API has not answered for ${formatAge(silentMs)}: prices are as they were then, and nothing can be changed.`,
    ];
  }
  if (!status) return [];
  const down = (Object.keys(DOWN) as (keyof typeof DOWN)[])
    .filter((name) => status.dependencies[name] === "down")
    .map((name) => DOWN[name]);
  return [...down, ...status.alerts.map((alert) => alert.text)];
}
