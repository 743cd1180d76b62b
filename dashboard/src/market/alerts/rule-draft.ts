/** A rule as a person types it. */

import { isSymbol } from "../address";
import type { RuleKind, RuleRequest } from "../types";

export interface RuleDraft {
  symbol: string;
  kind: RuleKind;
  threshold: string;
  windowS: string;
  webhook: string;
}

export const NEW_RULE: RuleDraft = { symbol: "", kind: "above", threshold: "", windowS: "60", webhook: "" };

export const KINDS: Record<RuleKind, string> = {
  above: "Price above",
  below: "Price below",
  move_percent: "Move in per cent",
  anomaly: "Anomaly",
};

export type Field = "symbol" | "threshold" | "window_s" | "webhook";
export type FieldErrors = Partial<Record<Field, string>>;

export const hasThreshold = (kind: RuleKind): boolean => kind !== "anomaly";
export const hasWindow = (kind: RuleKind): boolean => kind === "move_percent";

/** The draft with another kind. A price is no percentage: the threshold goes where its unit changes. */
export function withKind(draft: RuleDraft, kind: RuleKind): RuleDraft {
  const sameUnit = hasWindow(kind) === hasWindow(draft.kind);
  return { ...draft, kind, threshold: sameUnit ? draft.threshold : "" };
}

const WINDOW_S_MAX = 86_400;
const NUMBER = /^\d+(\.\d+)?$/;

/** The request of a draft, or what is wrong with its fields. The API checks it once more. */
export function readRule(draft: RuleDraft): { rule: RuleRequest } | { errors: FieldErrors } {
  const errors: FieldErrors = {};
  const [symbol, threshold, windowS, webhook] = [draft.symbol, draft.threshold, draft.windowS, draft.webhook].map(
    (text) => text.trim(),
  ) as [string, string, string, string];
  if (!isSymbol(symbol)) errors.symbol = "1 to 32 letters, digits and _ . : ^ = / -";
  if (hasThreshold(draft.kind)) {
    if (threshold.includes(",")) errors.threshold = "write decimals with a point, and no commas";
    else if (!NUMBER.test(threshold) || Number(threshold) <= 0) errors.threshold = "a number above 0";
  }
  if (
    hasWindow(draft.kind) &&
    !(/^\d+$/.test(windowS) && Number(windowS) >= 1 && Number(windowS) <= WINDOW_S_MAX)
  ) {
    errors.window_s = `whole seconds from 1 to ${WINDOW_S_MAX}`;
  }
  if (webhook && !/^https?:\/\/\S+$/.test(webhook))
    errors.webhook = "an address that begins with https:// or http://";
  if (Object.keys(errors).length) return { errors };
  return {
    rule: {
      symbol,
      kind: draft.kind,
      threshold: hasThreshold(draft.kind) ? Number(threshold) : null,
      window_s: hasWindow(draft.kind) ? Number(windowS) : null,
      webhook: webhook || null,
    },
  };
}

/** The field that an error of the API is about; null for the whole form. The API names the field first. */
export function fieldOf(error: string): Field | null {
  const name = /^[`'"]?(symbol|threshold|window_s|webhook)\b/.exec(error)?.[1];
  return (name as Field | undefined) ?? null;
}
