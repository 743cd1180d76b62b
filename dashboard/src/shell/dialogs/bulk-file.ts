/** Price changes from a CSV: columns product_id, and override_price or change_percent, reason and expires_at. */

import Papa from "papaparse";
import type { Change } from "../../api/overrides";

export const BULK_COLUMNS = ["product_id", "override_price", "change_percent", "reason", "expires_at"];
export const BULK_LINES_MAX = 10_000;

export interface BulkLine {
  /** As an editor counts them, from 1, the header included. */
  line: number;
  change: Change | null;
  error: string | null;
}

export interface BulkFile {
  lines: BulkLine[];
  /** The problem of the file as a whole. */
  error: string | null;
}

export function parseBulk(text: string): BulkFile {
  const parsed = Papa.parse<Record<string, string>>(text.trim(), {
    header: true,
    skipEmptyLines: "greedy",
    transformHeader: (name) => name.trim().toLowerCase(),
    transform: (value) => value.trim(),
  });
  const columns = parsed.meta.fields ?? [];
  const unknown = columns.filter((name) => !BULK_COLUMNS.includes(name));
  if (
    !columns.includes("product_id") ||
    !columns.some((name) => name === "override_price" || name === "change_percent")
  ) {
    return failed(
      "The first line takes the columns product_id and override_price (or change_percent), and, if wanted, reason and expires_at.",
    );
  }
  if (unknown.length) return failed(`Unknown column: ${unknown.join(", ")}.`);
  if (!parsed.data.length) return failed("There is no line below the header.");
  if (parsed.data.length > BULK_LINES_MAX) return failed(`At most ${BULK_LINES_MAX} lines at a time.`);
  const misshapen = new Map(parsed.errors.map((error) => [error.row, error.message]));
  const seen = new Set<string>();
  const lines = parsed.data.map((record, index) => {
    const line = index + 2;
    const shape = misshapen.get(index);
    if (shape) return { line, change: null, error: shape };
    try {
      const change = readLine(record);
      if (seen.has(change.product_id)) throw new Error("the product is in an earlier line already");
      seen.add(change.product_id);
      return { line, change, error: null };
    } catch (error) {
      return { line, change: null, error: (error as Error).message };
    }
  });
  return { lines, error: null };
}

function readLine(record: Record<string, string>): Change {
  const { product_id = "", override_price = "", change_percent = "", reason = "", expires_at = "" } = record;
  if (!product_id) throw new Error("product_id is missing");
  if (Boolean(override_price) === Boolean(change_percent)) {
    throw new Error("takes either override_price or change_percent");
  }
  const change: Change = { product_id };
  if (override_price) change.override_price = readNumber("override_price", override_price);
  else change.change_percent = readNumber("change_percent", change_percent.replace(/%$/, ""));
  if (reason) change.reason = reason;
  if (expires_at) change.expires_at = expires_at;
  return change;
}

function readNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error(`${name} takes a number with a decimal point`);
  return value;
}

function failed(error: string): BulkFile {
  return { lines: [], error };
}
