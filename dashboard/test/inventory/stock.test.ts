import { describe, expect, it } from "vitest";
import type { Stocked } from "../../src/api/types";
import { arrange, DEFAULT_VIEW, readView, toRows, writeView } from "../../src/inventory/stock";

const row = (product_id: string, fields: Partial<Stocked> = {}): Stocked => ({
  product_id,
  name: `Article ${product_id}`,
  stock: 30,
  oversold: 0,
  stock_category: "Medium",
  reorder_threshold: 10,
  needs_reorder: false,
  clicks_15m: 0,
  min_competitor_price: null,
  competitor: null,
  quoted_at_ms: null,
  days_of_cover: null,
  price: 10,
  ...fields,
});

const ROWS = [
  row("A", { stock: 70, stock_category: "High", clicks_15m: 5 }),
  row("B", { stock: null, stock_category: null, reorder_threshold: null, clicks_15m: 9 }),
  row("C", { stock: 7, stock_category: "Low", needs_reorder: true, min_competitor_price: 3 }),
  row("D", { stock: 0, oversold: 4, stock_category: "Low", needs_reorder: true, min_competitor_price: 2 }),
  row("E", { stock: 12, stock_category: "Low", price: null }),
];

const ids = (view: Partial<typeof DEFAULT_VIEW>) =>
  arrange([...ROWS], { ...DEFAULT_VIEW, ...view }).map((each) => each.product_id);

describe("the inventory", () => {
  it("begins with what somebody must act on", () => {
    expect(ids({})).toEqual(["D", "C", "E", "A", "B"]);
    expect(ids({ descending: true })).toEqual(["A", "E", "C", "D", "B"]);
  });

  it("sorts by each column, and what is not known comes last", () => {
    expect(ids({ sort: "product" })).toEqual(["A", "B", "C", "D", "E"]);
    expect(ids({ sort: "clicks", descending: true })).toEqual(["B", "A", "C", "D", "E"]);
    expect(ids({ sort: "competitor" })).toEqual(["D", "C", "A", "B", "E"]);
    expect(ids({ sort: "price" })).toEqual(["A", "B", "C", "D", "E"]);
  });

  it("filters by stock, by what is to be reordered, and by a part of the name or the id", () => {
    expect(ids({ category: "Low" })).toEqual(["D", "C", "E"]);
    expect(ids({ low: true })).toEqual(["D", "C"]);
    expect(ids({ search: "article c" })).toEqual(["C"]);
    expect(ids({ search: "nothing" })).toEqual([]);
  });

  it("keeps the view in the address", () => {
    expect(writeView(DEFAULT_VIEW)).toBe("");
    const view = { search: "mug", category: "Low", low: true, sort: "clicks", descending: true } as const;
    expect(readView(writeView(view))).toEqual(view);
    expect(readView("sort=unknown.desc&stock=Huge")).toEqual(DEFAULT_VIEW);
  });

  it("writes all that it shows to a file", () => {
    expect(Object.keys(toRows(ROWS)[0] ?? {})).toEqual(Object.keys(ROWS[0] ?? {}));
  });
});
