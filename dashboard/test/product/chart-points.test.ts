import { expect, test } from "vitest";
import { bySecond } from "../../src/product/chart-points";

test("a chart has one point a second, the last of it", () => {
  const points = [
    [1000, 1, 1, "dynamic", 1],
    [1900, 2, 2, "dynamic", 2],
    [2000, 3, 3, "dynamic", 3],
  ] as const;
  expect([...bySecond(points.map((point) => [...point])).values()].map((point) => point[1])).toEqual([2, 3]);
});
