/** Overrides, many at a time. */

import { ApiError, answer, api, NOT_CONFIRMED } from "./client";
import type { ChangeResult, Override, Removal } from "./types";

/** One line of `POST /overrides`. The description leaves these open, as the API checks each line by itself. */
export interface Change {
  product_id: string;
  override_price?: number;
  change_percent?: number;
  reason?: string;
  expires_at?: string | null;
  expected_set_at?: string | null;
}

const LINES_A_REQUEST = 100;
const NOT_SENT = "not sent, as an earlier request failed; nothing was changed";

/** True if Kafka has a change. The flow may still have to apply it. */
export const isSet = (result: ChangeResult): boolean =>
  result.status === "upserted" || result.status === "accepted";

/** Set prices. Results are in the order of the changes, and there is one for each: if a request fails, its lines say
 * that they are not known or were refused, and the lines after it that they were not sent. */
export async function setOverrides(
  changes: Change[],
  onProgress?: (done: number) => void,
): Promise<ChangeResult[]> {
  return inRequests(
    changes,
    async (lines) => (await answer(api.POST("/overrides", { body: { changes: lines, dry_run: false } }))).results,
    ({ product_id }, error, unknown) => ({
      product_id,
      status: unknown ? "not confirmed" : "refused",
      error,
      warnings: [],
    }),
    onProgress,
  );
}

/** The effect that each change would have. Nothing is set. Raises ApiError. */
export async function previewOverrides(
  changes: Change[],
  onProgress?: (done: number) => void,
): Promise<ChangeResult[]> {
  const results: ChangeResult[] = [];
  for (let start = 0; start < changes.length; start += LINES_A_REQUEST) {
    const lines = changes.slice(start, start + LINES_A_REQUEST);
    try {
      const reply = await answer(api.POST("/overrides", { body: { changes: lines, dry_run: true } }));
      results.push(...reply.results);
    } catch (problem) {
      // A preview changes nothing, whether it was answered or not.
      if (problem instanceof ApiError && problem.status === 0) throw new ApiError(0, "The API does not answer.");
      throw problem;
    }
    onProgress?.(results.length);
  }
  return results;
}

/** Remove overrides. Results are in the order of the ids, one for each, as in `setOverrides`. */
export async function removeOverrides(productIds: string[]): Promise<Removal[]> {
  return inRequests(
    productIds,
    async (ids) => (await answer(api.POST("/overrides/remove", { body: { product_ids: ids } }))).results,
    (product_id, error, unknown) => ({
      product_id,
      deleted: false,
      status: unknown ? "not confirmed" : "refused",
      error,
    }),
  );
}

/** Send items, some at a time. A request that fails gives each of its items the result of `failed`, and is the last. */
async function inRequests<Item, Result>(
  items: Item[],
  send: (some: Item[]) => Promise<Result[]>,
  failed: (item: Item, error: string, unknown: boolean) => Result,
  onProgress?: (done: number) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += LINES_A_REQUEST) {
    const some = items.slice(start, start + LINES_A_REQUEST);
    try {
      results.push(...(await send(some)));
    } catch (problem) {
      const unknown = !(problem instanceof ApiError) || problem.isUnknown;
      const error = unknown ? NOT_CONFIRMED : (problem as Error).message;
      results.push(...some.map((item) => failed(item, error, unknown)));
      results.push(...items.slice(start + some.length).map((item) => failed(item, NOT_SENT, false)));
      break;
    }
    onProgress?.(results.length);
  }
  return results;
}

export async function activeOverrides(): Promise<Override[]> {
  const found: Override[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await answer(api.GET("/overrides", { params: { query: { cursor } } }));
    found.push(...page.overrides);
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}
