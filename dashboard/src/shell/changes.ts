/** Changing prices by hand: overrides and freezes, each with its way back. */

import type { QueryClient } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { type Change, removeOverrides, setOverrides } from "../api/overrides";
import type { ChangeResult, Override } from "../api/types";
import { scopeText } from "../prices/freezes";
import type { Money } from "../prices/money";
import { notify } from "./notices";

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Ask the lists of changes again. The flow applies a change within a second, so they are asked several times. */
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
  const results = await setOverrides(changes, false, onProgress);
  refreshSoon(queries);
  const done = results.filter((result) => result.status === "upserted");
  if (done.length) {
    const ids = done.map((result) => String(result.product_id));
    notify(doneText(done, money), "done", () => undoSet(queries, ids, before));
  }
  return results;
}

function doneText(done: ChangeResult[], money: Money): string {
  const [first, ...others] = done;
  if (!first || others.length) return `${plural(done.length, "override")} set`;
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
  if (back.length) await setOverrides(back, false);
  if (remove.length) await removeOverrides(remove);
  refreshSoon(queries);
  notify(`Undone: ${plural(ids.length, "override")}`);
}

export async function removeAll(queries: QueryClient, overrides: Override[]): Promise<void> {
  const results = await removeOverrides(overrides.map((override) => override.product_id));
  refreshSoon(queries);
  const removed = new Set(results.filter((result) => result.deleted).map((result) => result.product_id));
  for (const result of results) {
    if (!result.deleted) notify(`${result.product_id}: ${result.error}`, "error");
  }
  if (removed.size) {
    const back = overrides.filter((override) => removed.has(override.product_id));
    notify(`${plural(removed.size, "override")} removed`, "done", async () => {
      await setOverrides(
        back.flatMap((override) => restore(override) ?? []),
        false,
      );
      refreshSoon(queries);
      notify(`Undone: ${plural(back.length, "override")} set again`);
    });
  }
}

export async function freeze(queries: QueryClient, scope: string, reason: string): Promise<void> {
  await answer(api.POST("/freeze", { body: { scope, reason } }));
  refreshSoon(queries);
  notify(`Frozen: ${scopeText(scope)}`, "done", () => lift(queries, scope, reason));
}

export async function lift(queries: QueryClient, scope: string, reason: string): Promise<void> {
  await answer(api.DELETE("/freeze/{scope}", { params: { path: { scope } } }));
  refreshSoon(queries);
  notify(`Lifted: ${scopeText(scope)}`, "done", () => freeze(queries, scope, reason));
}
