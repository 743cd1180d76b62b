import { expect, test } from "vitest";
import type { ChartPoint } from "../../src/product/chart-points";
import { LIVE_POINTS_MAX, withNewest } from "../../src/product/live-points";

const row = (version: number, price = 2) => ({
  updatedAt: 1_700_000_000_000 + version,
  price,
  demand: 9,
  source: "dynamic" as const,
  version,
});

test("each newer version becomes one point", () => {
  const one = withNewest([], row(3, 1.5));
  expect(one).toEqual([[1_700_000_000_003, 1.5, 9, "dynamic", 3]]);
  expect(withNewest(one, row(3, 1.5))).toBe(one);
  expect(withNewest(one, row(2))).toBe(one);
  expect(withNewest(one, row(5)).map((point) => point[4])).toEqual([3, 5]);
});

test("a product without a decision has no point", () => {
  expect(withNewest([], row(0))).toEqual([]);
});

test("the oldest points go", () => {
  let points: ChartPoint[] = [];
  for (let version = 1; version <= LIVE_POINTS_MAX + 5; version++) points = withNewest(points, row(version));
  expect(points).toHaveLength(LIVE_POINTS_MAX);
  expect(points[0]?.[4]).toBe(6);
});
