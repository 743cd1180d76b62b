import { expect, test } from "vitest";
import type { SalesGroup } from "../../src/api/types";
import { readView, sharesOf, totalOf, writeView } from "../../src/sales/groups";

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
  expect(sharesOf([group({ revenue: 20 }), group({ revenue: -5 }), group({ revenue: 0 })])).toEqual([1, 0.25, 0]);
  expect(sharesOf([group({ revenue: 0 })])).toEqual([0]);
});
