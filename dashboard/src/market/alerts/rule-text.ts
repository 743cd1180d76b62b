import { formatPrice } from "../prices";
import type { RuleRequest } from "../types";

/** A rule in words, without its symbol: `above 61,000`. */
export function ruleText({ kind, threshold, window_s }: RuleRequest): string {
  if (kind === "anomaly" || threshold == null) return kind.replaceAll("_", " ");
  return kind === "move_percent"
    ? `moves by more than ${threshold} % within ${window_s} s`
    : `${kind} ${formatPrice(threshold)}`;
}
