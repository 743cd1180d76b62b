/** Changing prices by hand: overrides and freezes, each with its way back. */

import type { QueryClient } from "@tanstack/react-query";
import { type Change, type ChangeResult, call, type Override, removeOverrides, setOverrides } from "../api";
import { formatMoney } from "../lib/format";
import { notify } from "./notices";
import { scopeText } from "./store";

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** The flow applies a change within a second; what lists it is asked again until then. */
export function refreshSoon(queries: QueryClient): void {
  for (const wait of [0, 400, 1200]) {
    setTimeout(() => void queries.invalidateQueries({ queryKey: ["overrides"] }), wait);
    setTimeout(() => void queries.invalidateQueries({ queryKey: ["status"] }), wait);
    setTimeout(() => void queries.invalidateQueries({ queryKey: ["audit"] }), wait);
  }
}

/** A change that sets an override as it was. An end that has passed meanwhile is no override any more. */
export function restore(override: Override): Change | null {
  if (override.expires_at && Date.parse(override.expires_at) <= Date.now()) return null;
  const { product_id, override_price, reason, expires_at } = override;
  return { product_id, override_price, reason, expires_at };
}

/** Set prices; `before` are the overrides that were active, to go back to. */
export async function applyChanges(
  queries: QueryClient,
  changes: Change[],
  before: Override[],
  onProgress?: (done: number) => void,
): Promise<ChangeResult[]> {
  const results = await setOverrides(changes, false, onProgress);
  refreshSoon(queries);
  const done = results.filter((result) => result.status === "upserted");
  if (done.length) {
    const [first] = done;
    const text =
      done.length === 1 && first
        ? `${first.product_id}: the price is set to ${formatMoney(first.new_price ?? first.override_price ?? 0)}`
        : `${plural(done.length, "override")} set`;
    notify(text, "done", () =>
      undoSet(
        queries,
        done.map((result) => String(result.product_id)),
        before,
      ),
    );
  }
  return results;
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
  await call("POST", "/freeze", { scope, reason });
  refreshSoon(queries);
  notify(`Frozen: ${scopeText(scope)}`, "done", () => lift(queries, scope, reason));
}

export async function lift(queries: QueryClient, scope: string, reason: string): Promise<void> {
  await call("DELETE", `/freeze/${encodeURIComponent(scope)}`);
  refreshSoon(queries);
  notify(`Lifted: ${scopeText(scope)}`, "done", () => freeze(queries, scope, reason));
}
