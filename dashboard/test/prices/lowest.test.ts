import { expect, test } from "vitest";
import { isNoReduction } from "../../src/prices/lowest";

test("a price that falls is no reduction unless it is below the lowest one", () => {
  expect(isNoReduction(8, 10, 9)).toBe(true);
  expect(isNoReduction(8, 10, 8)).toBe(true);
  expect(isNoReduction(8, 10, 7.99)).toBe(false);
  expect(isNoReduction(8, 10, 11)).toBe(false);
  expect(isNoReduction(8, null, 9)).toBe(false);
  expect(isNoReduction(8, 10, null)).toBe(false);
});
