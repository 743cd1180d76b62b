import { expect, test } from "vitest";
import { bySecond, overlayOf, type SignalPoint, signalAt } from "../../src/product/chart-points";

test("a chart has one point a second, the last of it", () => {
  const points = [
    [1000, 1, 1, "dynamic", 1],
    [1900, 2, 2, "dynamic", 2],
    [2000, 3, 3, "dynamic", 3],
  ] as const;
  expect([...bySecond(points.map((point) => [...point])).values()].map((point) => point[1])).toEqual([2, 3]);
});

const SIGNALS: SignalPoint[] = [
  [60_000, 5, 1, null],
  [120_000, -2, 1, 9.5],
  [180_000, null, 0, 9],
];

test("an overlay has the points where its value is known", () => {
  expect(overlayOf(SIGNALS, "stock")).toEqual([
    { time: 60, value: 5 },
    { time: 120, value: -2 },
  ]);
  expect(overlayOf(SIGNALS, "stock", 200).at(-1)).toEqual({ time: 200, value: -2 });
  expect(overlayOf(SIGNALS, "competitor").map((point) => point.value)).toEqual([9.5, 9]);
});

test("the signals of a moment are the last ones before it", () => {
  expect(signalAt(SIGNALS, 59_999)).toBeUndefined();
  expect(signalAt(SIGNALS, 179_999)?.[1]).toBe(-2);
  expect(signalAt(SIGNALS, 10 ** 9)?.[3]).toBe(9);
});
