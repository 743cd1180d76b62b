/** Overrides, many at a time. */

import { answer, api } from "./client";
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

/** Set prices, or with `dryRun` only say what each line would do. Results are in the order of the changes. */
export async function setOverrides(
  changes: Change[],
  dryRun: boolean,
  onProgress?: (done: number) => void,
): Promise<ChangeResult[]> {
  const results: ChangeResult[] = [];
  for (let start = 0; start < changes.length; start += LINES_A_REQUEST) {
    const lines = changes.slice(start, start + LINES_A_REQUEST);
    const reply = await answer(api.POST("/overrides", { body: { changes: lines, dry_run: dryRun } }));
    results.push(...reply.results);
    onProgress?.(results.length);
  }
  return results;
}

export async function removeOverrides(productIds: string[]): Promise<Removal[]> {
  const results: Removal[] = [];
  for (let start = 0; start < productIds.length; start += LINES_A_REQUEST) {
    const ids = productIds.slice(start, start + LINES_A_REQUEST);
    const reply = await answer(api.POST("/overrides/remove", { body: { product_ids: ids } }));
    results.push(...reply.results);
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
