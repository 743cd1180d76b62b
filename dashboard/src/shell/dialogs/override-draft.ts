/** The fields of the override dialog, and the changes that they stand for. */

import type { Change } from "../../api/overrides";
import type { Override } from "../../api/types";
import { readPercent, readPrice } from "../../prices/amounts";
import type { Money } from "../../prices/money";
import { type Expiry, expiryTime, NO_EXPIRY } from "./expiry";

export type Mode = "price" | "percent";

export interface Draft {
  mode: Mode;
  /** As typed. */
  amount: string;
  reason: string;
  expiry: Expiry;
}

export function newDraft(products: number): Draft {
  return { mode: products > 1 ? "percent" : "price", amount: "", reason: "", expiry: NO_EXPIRY };
}

/** The amount of a draft: its value, or the reason for which it has none; neither while nothing is typed. */
export interface Amount {
  value: number | null;
  error: string | null;
}

export function amountOf(
  { mode, amount }: Draft,
  { currency, digits }: Pick<Money, "currency" | "digits">,
): Amount {
  if (!amount.trim()) return { value: null, error: null };
  try {
    return { value: mode === "price" ? readPrice(amount, currency, digits) : readPercent(amount), error: null };
  } catch (problem) {
    return { value: null, error: (problem as Error).message };
  }
}

/** One change a product. Raises an Error if the expiry is not in the future. */
export function changesOf(draft: Draft, value: number, ids: string[]): Change[] {
  const end = expiryTime(draft.expiry);
  const set = draft.mode === "price" ? { override_price: value } : { change_percent: value };
  const reason = draft.reason.trim();
  return ids.map((product_id) => ({ product_id, ...set, ...(reason ? { reason } : {}), expires_at: end }));
}

/** With `before`, the overrides that the person has seen, a change becomes a conflict if there is another one now. */
export function expecting(changes: Change[], before: Override[] | undefined): Change[] {
  if (!before) return changes;
  const active = new Map(before.map((override) => [override.product_id, override.set_at]));
  return changes.map((change) => ({ ...change, expected_set_at: active.get(change.product_id) ?? null }));
}
