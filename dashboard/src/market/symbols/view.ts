/** The view of the symbols, as it stands in the address. */

import { byNumber, byText } from "../../ui/order";
import { searchable } from "../../ui/text";
import { changeOf, type MarketRow, markOf } from "../store/row";

export const COLUMNS = ["price", "change", "today", "volume", "age"] as const;
export type Column = (typeof COLUMNS)[number];
export const SORTS = ["symbol", "price", "change", "volume", "age"] as const;
export type SortBy = (typeof SORTS)[number];

export interface View {
  search: string;
  /** Only symbols that an anomaly marks. */
  marked: boolean;
  sort: SortBy;
  descending: boolean;
}

export const DEFAULT_VIEW: View = { search: "", marked: false, sort: "symbol", descending: false };

export function readView(address: string): View {
  const parameters = new URLSearchParams(address);
  const [sort = "", direction] = (parameters.get("sort") ?? "").split(".");
  const sortable = (SORTS as readonly string[]).includes(sort);
  return {
    search: parameters.get("q") ?? "",
    marked: parameters.get("marked") === "1",
    sort: sortable ? (sort as SortBy) : DEFAULT_VIEW.sort,
    descending: sortable ? direction === "desc" : DEFAULT_VIEW.descending,
  };
}

/** Only the parts that differ from the default view. */
export function writeView(view: View): string {
  const parameters = new URLSearchParams();
  if (view.search) parameters.set("q", view.search);
  if (view.marked) parameters.set("marked", "1");
  if (view.sort !== DEFAULT_VIEW.sort || view.descending !== DEFAULT_VIEW.descending) {
    parameters.set("sort", `${view.sort}.${view.descending ? "desc" : "asc"}`);
  }
  return parameters.toString();
}

const symbolOf = (row: MarketRow) => row.symbol;
const KEYS: Record<Exclude<SortBy, "symbol">, (row: MarketRow) => number | null> = {
  price: (row) => row.price,
  change: changeOf,
  volume: (row) => row.volume,
  // The oldest tick has the greatest age.
  age: (row) => -row.tsUs,
};

/** The symbols that a view shows, in its order. */
export function arrange(rows: Map<string, MarketRow>, view: View): string[] {
  const wanted = searchable(view.search).trim();
  const found: MarketRow[] = [];
  for (const row of rows.values()) {
    if (wanted && !row.sortName.includes(wanted)) continue;
    if (view.marked && markOf(row) === null) continue;
    found.push(row);
  }
  return view.sort === "symbol"
    ? byText(found, (row) => row.sortName, symbolOf, view.descending)
    : byNumber(found, KEYS[view.sort], symbolOf, view.descending);
}

/** True if rows of the view may change places, or come and go, as prices move. */
export function moves(view: View): boolean {
  return view.sort !== "symbol" || view.marked;
}
