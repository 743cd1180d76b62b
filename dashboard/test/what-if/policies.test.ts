import { expect, test } from "vitest";
import type { PolicyEffect } from "../../src/api/types";
import { sharesOf } from "../../src/what-if/policies";

const effect = (fields: Partial<PolicyEffect>): PolicyEffect => ({
  version: "b",
  version_in_force: "a",
  products: 0,
  raised: 0,
  lowered: 0,
  unchanged: 0,
  by_hand: 0,
  unusable: 0,
  median_change_percent: 0,
  bound_by: {},
  categories: [],
  largest: [],
  complete: true,
  ...fields,
});

test("shares are of all products, and none of no products", () => {
  expect(sharesOf(effect({ products: 8, raised: 4, lowered: 2, unchanged: 2 }))).toEqual([0.5, 0.25, 0.25]);
  expect(sharesOf(effect({}))).toEqual([0, 0, 0]);
});
