import { expect, test } from "vitest";
import type { SalesGroup } from "../../src/api/types";
import { columnsOf, readView, shareOf, totalOf, writeView } from "../../src/sales/groups";

const group = (fields: Partial<SalesGroup>): SalesGroup => ({
  key: "A",
  orders: 1,
  units: 2,
  revenue: 10,
  margin: null,
  base_revenue: null,
  uplift_percent: null,
  unpriced: 0,
  ...fields,
});

test("the view is in the address, and what is unknown is the default", () => {
  for (const view of [
    { by: "product", range: "all" },
    { by: "rule", range: "7d" },
  ] as const) {
    expect(readView(writeView(view))).toEqual(view);
  }
  expect(readView("by=moon&range=1y")).toEqual({ by: "product", range: "all" });
  expect(writeView({ by: "product", range: "all" })).toBe("");
});

test("sums leave out margins that are not known", () => {
  expect(totalOf([group({}), group({ margin: 4, unpriced: 1 })])).toEqual({
    orders: 2,
    units: 4,
    revenue: 20,
    margin: 4,
    unpriced: 1,
  });
  expect(totalOf([]).margin).toBeNull();
});

test("bars are shares of the greatest amount", () => {
  expect([20, -5, 0].map((amount) => shareOf(amount, 20))).toEqual([1, 0.25, 0]);
  expect(shareOf(0, 0)).toBe(0);
});

test("each day from the first to the last has a column", () => {
  const days = [group({ key: "2026-02-27", margin: 3 }), group({ key: "2026-03-01" })];
  expect(columnsOf(days).map(({ key, revenue, margin }) => [key, revenue, margin])).toEqual([
    ["2026-02-27", 10, 3],
    ["2026-02-28", 0, 0],
    ["2026-03-01", 10, null],
  ]);
  expect(columnsOf([])).toEqual([]);
  const years = columnsOf([group({ key: "2001-01-01" }), group({ key: "2026-03-01" })]);
  expect([years.length, years.at(-1)?.key]).toEqual([400, "2026-03-01"]);
});
