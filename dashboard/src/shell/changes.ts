/** Changing prices by hand: overrides and freezes, each with its way back. */

import type { QueryClient } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { type Change, isSet, removeOverrides, setOverrides } from "../api/overrides";
import type { ChangeResult, Override, Removal } from "../api/types";
import { scopeText } from "../prices/freezes";
import type { Money } from "../prices/money";
import { notify } from "./notices";

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Ask the lists of changes again: at once, and later for changes that the flow has not applied yet. */
export function refreshSoon(queries: QueryClient): void {
  for (const wait of [0, 400, 1200]) {
    setTimeout(() => void queries.invalidateQueries({ queryKey: ["overrides"] }), wait);
    setTimeout(() => void queries.invalidateQueries({ queryKey: ["status"] }), wait);
    setTimeout(() => void queries.invalidateQueries({ queryKey: ["audit"] }), wait);
  }
}

/** A change that sets an override as it was; null if its end has passed meanwhile. */
export function restore(override: Override): Change | null {
  if (override.expires_at && Date.parse(override.expires_at) <= Date.now()) return null;
  const { product_id, override_price, reason, expires_at } = override;
  return { product_id, override_price, reason, expires_at };
}

/** Set prices. `before` are the overrides that were active: undoing goes back to them. */
export async function applyChanges(
  queries: QueryClient,
  changes: Change[],
  before: Override[],
  money: Money,
  onProgress?: (done: number) => void,
): Promise<ChangeResult[]> {
  const results = await setOverrides(changes, onProgress);
  refreshSoon(queries);
  const done = results.filter(isSet);
  if (done.length) {
    const ids = done.map((result) => String(result.product_id));
    notify(doneText(done, money), "done", () => undoSet(queries, ids, before));
  }
  return results;
}

function doneText(done: ChangeResult[], money: Money): string {
  const [first, ...others] = done;
  if (!first || others.length) return `${plural(done.length, "override")} set`;
  if (first.status === "accepted") return `${first.product_id}: the price is accepted, and takes effect soon`;
  return `${first.product_id}: the price is set to ${money.format(first.new_price ?? first.override_price ?? 0)}`;
}

async function undoSet(queries: QueryClient, ids: string[], before: Override[]): Promise<void> {
  const earlier = new Map(before.map((override) => [override.product_id, override]));
  const back = ids.flatMap((id) => {
    const override = earlier.get(id);
    return (override && restore(override)) ?? [];
  });
  const restored = new Set(back.map((change) => change.product_id));
  const remove = ids.filter((id) => !restored.has(id));
  const results = [...(await setOverrides(back)), ...(await removeOverrides(remove))];
  refreshSoon(queries);
  reportUndone(results, "override");
}

/** Say what became of each change that was to be taken back. */
function reportUndone(results: (ChangeResult | Removal)[], noun: string): void {
  const done = results.filter((result) => ("deleted" in result ? result.deleted : isSet(result)));
  reportProblems(results.filter((result) => !done.includes(result)));
  if (done.length) notify(`Undone: ${plural(done.length, noun)}`);
}

const PROBLEMS_NAMED = 3;

/** The first few results that are no success, each in a notice. */
function reportProblems(results: (ChangeResult | Removal)[]): void {
  for (const { product_id, error } of results.slice(0, PROBLEMS_NAMED)) notify(`${product_id}: ${error}`, "error");
  const more = results.length - PROBLEMS_NAMED;
  if (more > 0) notify(`${plural(more, "more product")} not changed, or not confirmed`, "error");
}

export async function removeAll(queries: QueryClient, overrides: Override[]): Promise<void> {
  const results = await removeOverrides(overrides.map((override) => override.product_id));
  refreshSoon(queries);
  const removed = new Set(results.filter((result) => result.deleted).map((result) => result.product_id));
  reportProblems(results.filter((result) => !result.deleted));
  if (removed.size) {
    const back = overrides.filter((override) => removed.has(override.product_id));
    notify(`${plural(removed.size, "override")} removed`, "done", async () => {
      const undone = await setOverrides(back.flatMap((override) => restore(override) ?? []));
      refreshSoon(queries);
      reportUndone(undone, "override");
    });
  }
}

export async function freeze(queries: QueryClient, scope: string, reason: string): Promise<void> {
  const { status } = await answer(api.POST("/freeze", { body: { scope, reason } })).finally(() =>
    refreshSoon(queries),
  );
  notify(
    status === "accepted"
      ? `Accepted, in force soon: freeze of ${scopeText(scope)}`
      : `Frozen: ${scopeText(scope)}`,
    "done",
    () => lift(queries, scope, reason),
  );
}

export async function lift(queries: QueryClient, scope: string, reason: string): Promise<void> {
  await answer(api.DELETE("/freeze/{scope}", { params: { path: { scope } } })).finally(() => refreshSoon(queries));
  notify(`Lifted: ${scopeText(scope)}`, "done", () => freeze(queries, scope, reason));
}
