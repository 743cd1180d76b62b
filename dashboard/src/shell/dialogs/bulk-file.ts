/** Price changes from a CSV: columns product_id, and override_price or change_percent, reason and expires_at. */

import Papa from "papaparse";
import type { Change } from "../../api/overrides";
import { readPercent, readPrice } from "../../prices/amounts";
import type { Money } from "../../prices/money";
import { fromCell } from "../../ui/csv";

export const BULK_COLUMNS = ["product_id", "override_price", "change_percent", "reason", "expires_at"];
export const BULK_LINES_MAX = 10_000;
const DELIMITERS = [",", ";", "\t", "|"];

/** The lines of the example file. */
export const EXAMPLE = [
  { product_id: "85123A", override_price: "2.75", change_percent: "", reason: "spring campaign", expires_at: "" },
  {
    product_id: "22423",
    override_price: "",
    change_percent: "-10",
    reason: "clearance",
    expires_at: "2030-01-01T00:00:00Z",
  },
];

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

/** A row of cells, with the number of its first line. */
interface Row {
  line: number;
  cells: string[];
}

/** The changes of a file, with commas, semicolons, tabs or bars between the cells. Columns without a name and lines
 * without a cell, as spreadsheets leave them, are passed over. */
export function parseBulk(text: string, money: Pick<Money, "currency" | "digits">): BulkFile {
  const [head, ...rows] = rowsOf(text);
  const columns = head?.cells.map((name) => name.toLowerCase()) ?? [];
  const unknown = columns.filter((name) => name && !BULK_COLUMNS.includes(name));
  const twice = columns.filter((name, index) => name && columns.indexOf(name) !== index);
  if (
    !columns.includes("product_id") ||
    !columns.some((name) => name === "override_price" || name === "change_percent")
  ) {
    return failed(
      "The first line takes the columns product_id and override_price (or change_percent), and, if wanted, reason and expires_at.",
    );
  }
  if (unknown.length) return failed(`Unknown column: ${unknown.join(", ")}.`);
  if (twice.length) return failed(`A column comes twice: ${twice.join(", ")}.`);
  if (!rows.length) return failed("There is no line below the header.");
  if (rows.length > BULK_LINES_MAX) return failed(`At most ${BULK_LINES_MAX} lines at a time.`);
  const seen = new Set<string>();
  const lines = rows.map(({ line, cells }) => {
    try {
      const change = readLine(recordOf(columns, cells), money);
      if (seen.has(change.product_id)) throw new Error("the product is in an earlier line already");
      seen.add(change.product_id);
      return { line, change, error: null };
    } catch (error) {
      return { line, change: null, error: (error as Error).message };
    }
  });
  return { lines, error: null };
}

/** The rows of a text that have a cell with content. */
function rowsOf(text: string): Row[] {
  const body = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  // Excel writes such a line for itself.
  const hint = /^sep=(.)\n/i.exec(body);
  const csv = hint ? body.slice(hint[0].length) : body;
  const delimiter = hint?.[1] ?? delimiterOf(csv);
  const rows: Row[] = [];
  let line = hint ? 2 : 1;
  for (const cells of Papa.parse<string[]>(csv, { delimiter }).data) {
    if (cells.some((cell) => cell.trim())) rows.push({ line, cells: cells.map(fromCell) });
    // A cell in quotes may have line breaks of its own.
    line += 1 + (cells.join("").match(/\n/g)?.length ?? 0);
  }
  return rows;
}

/** The delimiter that is most frequent in the first line with content: the names of columns have none of them. */
function delimiterOf(csv: string): string {
  const head = /[^\s,;|].*/.exec(csv)?.[0] ?? "";
  const count = (delimiter: string) => head.split(delimiter).length;
  return DELIMITERS.reduce((best, each) => (count(each) > count(best) ? each : best));
}

function recordOf(columns: string[], cells: string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [index, cell] of cells.entries()) {
    const name = columns[index];
    if (name) record[name] = cell;
    else if (cell) throw new Error(`“${cell}” is in a column without a name`);
  }
  return record;
}

function readLine(
  record: Record<string, string>,
  { currency, digits }: Pick<Money, "currency" | "digits">,
): Change {
  const { product_id = "", override_price = "", change_percent = "", reason = "", expires_at = "" } = record;
  if (!product_id) throw new Error("product_id is missing");
  if (Boolean(override_price) === Boolean(change_percent)) {
    throw new Error("takes either override_price or change_percent");
  }
  const change: Change = { product_id };
  if (override_price)
    change.override_price = named("override_price", () => readPrice(override_price, currency, digits));
  else change.change_percent = named("change_percent", () => readPercent(change_percent));
  if (reason) change.reason = reason;
  if (expires_at) change.expires_at = expires_at;
  return change;
}

function named(name: string, read: () => number): number {
  try {
    return read();
  } catch (problem) {
    throw new Error(`${name}: ${(problem as Error).message}`);
  }
}

function failed(error: string): BulkFile {
  return { lines: [], error };
}
