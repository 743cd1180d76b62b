/** The view of the board, as it stands in the address: the same address shows the same view to everyone. */

import type { Source } from "../api/types";
import { changeOf, type Row } from "../live/row";
import { byNumber, byText } from "../ui/order";
import { searchable } from "../ui/text";

export const COLUMNS = ["price", "change", "demand", "source", "age"] as const;
export type Column = (typeof COLUMNS)[number];
export type SortBy = Column | "product";

export interface View {
  search: string;
  category: string | null;
  source: Source | "bounded" | null;
  sort: SortBy;
  descending: boolean;
  columns: Column[];
  /** A watchlist: its name, and its products, so that the address is enough to share it. */
  list: { name: string; ids: string[] } | null;
}

export const DEFAULT_VIEW: View = {
  search: "",
  category: null,
  source: null,
  sort: "demand",
  descending: true,
  columns: [...COLUMNS],
  list: null,
};

const SOURCES = ["base", "dynamic", "override", "bounded"];

export function readView(address: string): View {
  const parameters = new URLSearchParams(address);
  const [sort = "", direction] = (parameters.get("sort") ?? "").split(".");
  const sortable = sort === "product" || (COLUMNS as readonly string[]).includes(sort);
  const columns = parameters
    .get("cols")
    ?.split(",")
    .filter((name): name is Column => isColumn(name));
  const source = parameters.get("source");
  const ids = parameters.get("ids")?.split(",").filter(Boolean);
  return {
    search: parameters.get("q") ?? "",
    // Categories are kept in NFC. A link may have been typed in another form.
    category: parameters.get("category")?.normalize("NFC") ?? null,
    source: source && SOURCES.includes(source) ? (source as View["source"]) : null,
    sort: sortable ? (sort as SortBy) : DEFAULT_VIEW.sort,
    descending: sortable ? direction === "desc" : DEFAULT_VIEW.descending,
    columns: columns ?? [...COLUMNS],
    list: ids ? { name: parameters.get("list") ?? "shared", ids } : null,
  };
}

/** Only the parts that differ from the default view. */
export function writeView(view: View): string {
  const parameters = new URLSearchParams();
  if (view.search) parameters.set("q", view.search);
  if (view.category) parameters.set("category", view.category);
  if (view.source) parameters.set("source", view.source);
  if (view.sort !== DEFAULT_VIEW.sort || view.descending !== DEFAULT_VIEW.descending) {
    parameters.set("sort", `${view.sort}.${view.descending ? "desc" : "asc"}`);
  }
  if (view.columns.length < COLUMNS.length) parameters.set("cols", view.columns.join(","));
  if (view.list) {
    parameters.set("list", view.list.name);
    parameters.set("ids", view.list.ids.join(","));
  }
  return parameters.toString();
}

/** The ids that a view shows, in its order. Ties are ordered by id; rows without a value come last. */
export function arrange(rows: Map<string, Row>, view: View): string[] {
  const words = searchable(view.search).split(/\s+/).filter(Boolean);
  const from = view.list ? view.list.ids.flatMap((id) => rows.get(id) ?? []) : rows.values();
  const found: Row[] = [];
  for (const row of from) {
    if (view.category !== null && row.category !== view.category) continue;
    if (view.source === "bounded" ? row.boundBy === null : view.source !== null && row.source !== view.source)
      continue;
    if (words.length) {
      const text = searchable(`${row.name} ${row.id} ${row.category}`);
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(row);
  }
  return view.sort === "product" || view.sort === "source"
    ? byText(found, KEYS_OF_TEXT[view.sort], idOf, view.descending)
    : byNumber(found, KEYS_OF_NUMBER[view.sort], idOf, view.descending);
}

/** True if rows of the view may change places, or come and go, as prices move. */
export function moves(view: View): boolean {
  return view.sort !== "product" || view.source !== null;
}

const idOf = (row: Row) => row.id;
const KEYS_OF_TEXT = {
  product: (row: Row) => row.sortName,
  source: (row: Row) => `${row.source} ${row.boundBy ?? ""}`,
};
const KEYS_OF_NUMBER: Record<Exclude<SortBy, "product" | "source">, (row: Row) => number | null> = {
  price: (row) => row.price,
  change: changeOf,
  demand: (row) => row.demand,
  // The oldest update has the greatest age.
  age: (row) => -row.updatedAt,
};

function isColumn(name: string): name is Column {
  return (COLUMNS as readonly string[]).includes(name);
}
