/** The products of the inventory: all pages of it, their order, and what a person looks for. */

import { answer, api } from "../api/client";
import type { Stocked } from "../api/types";
import { searchable } from "../ui/text";

/** The most products of a page of the API. */
const PAGE_MAX = 500;
/** The most products that the page shows. */
export const SHOWN_MAX = 5_000;

export const CATEGORIES = ["Low", "Medium", "High"] as const;
export type Category = (typeof CATEGORIES)[number];

export const COLUMNS = ["product", "stock", "cover", "clicks", "competitor", "price"] as const;
export type Column = (typeof COLUMNS)[number];

export interface View {
  search: string;
  category: Category | null;
  /** Only products that need a reorder, or of which more was sold than there is. */
  low: boolean;
  sort: Column;
  descending: boolean;
}

export const DEFAULT_VIEW: View = { search: "", category: null, low: false, sort: "stock", descending: false };

/** All products with stock, clicks or competitors, at most `SHOWN_MAX`. Raises ApiError. */
export async function allStocked(): Promise<Stocked[]> {
  const found: Stocked[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = { limit: PAGE_MAX, ...(cursor ? { cursor } : {}) };
    const page = await answer(api.GET("/inventory", { params: { query } }));
    found.push(...page.products);
    cursor = page.next_cursor;
  } while (cursor && found.length < SHOWN_MAX);
  return found;
}

export function readView(address: string): View {
  const parameters = new URLSearchParams(address);
  const [sort = "", direction] = (parameters.get("sort") ?? "").split(".");
  const sortable = (COLUMNS as readonly string[]).includes(sort);
  const category = parameters.get("stock") ?? "";
  return {
    search: parameters.get("q") ?? "",
    category: (CATEGORIES as readonly string[]).includes(category) ? (category as Category) : null,
    low: parameters.get("low") === "1",
    sort: sortable ? (sort as Column) : DEFAULT_VIEW.sort,
    descending: sortable ? direction === "desc" : DEFAULT_VIEW.descending,
  };
}

/** Only the parts that differ from the default view. */
export function writeView(view: View): string {
  const parameters = new URLSearchParams();
  if (view.search) parameters.set("q", view.search);
  if (view.category) parameters.set("stock", view.category);
  if (view.low) parameters.set("low", "1");
  if (view.sort !== DEFAULT_VIEW.sort || view.descending !== DEFAULT_VIEW.descending) {
    parameters.set("sort", `${view.sort}.${view.descending ? "desc" : "asc"}`);
  }
  return parameters.toString();
}

/** By stock, those come first for which somebody must act: more sold than there is, then at the threshold, then the
 * least stock. Products whose stock is not known come last. */
function urgency(row: Stocked): number | null {
  if (row.oversold > 0) return -1e18 - row.oversold;
  if (row.stock === null) return null;
  return row.needs_reorder ? -1e15 + row.stock : row.stock;
}

const NUMBERS: Record<Exclude<Column, "product">, (row: Stocked) => number | null> = {
  stock: urgency,
  cover: (row) => row.days_of_cover,
  clicks: (row) => row.clicks_15m,
  competitor: (row) => row.min_competitor_price,
  price: (row) => row.price,
};

/** The products that a view shows, in its order. */
export function arrange(rows: Stocked[], view: View): Stocked[] {
  const wanted = searchable(view.search).trim();
  const found = rows.filter(
    (row) =>
      (!view.category || row.stock_category === view.category) &&
      (!view.low || row.needs_reorder || row.oversold > 0) &&
      (!wanted || searchable(`${row.product_id} ${row.name ?? ""}`).includes(wanted)),
  );
  const sign = view.descending ? -1 : 1;
  const byId = (a: Stocked, b: Stocked) => (a.product_id < b.product_id ? -1 : 1);
  if (view.sort === "product") return found.sort((a, b) => sign * byId(a, b));
  const number = NUMBERS[view.sort];
  return found.sort((a, b) => {
    const [left, right] = [number(a), number(b)];
    if (left === right) return byId(a, b);
    if (left === null || right === null) return left === null ? 1 : -1;
    return sign * (left - right);
  });
}

/** The rows of a file: what the page shows, with the names of the API. */
export const toRows = (rows: Stocked[]): Record<string, unknown>[] =>
  rows.map(({ product_id, name, ...rest }) => ({ product_id, name, ...rest }));
