import { describe, expect, test } from "vitest";
import { Bars, BARS_MAX, barsOf } from "../../src/market/chart/bars";
import { fromUnits, toUnits, vwapOf } from "../../src/market/chart/units";
import { chartTick } from "./ticks";

const START = 1_700_000_040;

describe("a bar", () => {
  test("begins at a multiple of its interval", () => {
    const bars = barsOf([chartTick(START + 59.999999, 1, 5), chartTick(START + 60, 2, 6)], 60);
    expect(bars.list.map((bar) => [bar.start, bar.open])).toEqual([
      [START, 5],
      [START + 60, 6],
    ]);
  });

  test("opens by the first tick and closes by the last, by time and then by number", () => {
    const bars = barsOf(
      [
        chartTick(START + 10, 1, 10),
        chartTick(START + 30, 2, 13),
        chartTick(START + 30, 3, 12),
        // Out of order: before the first, and between.
        chartTick(START + 5, 4, 9),
        chartTick(START + 20, 5, 20),
        chartTick(START + 5, 6, 1),
      ],
      60,
    );
    expect(bars.last).toEqual({
      start: START,
      open: 9,
      high: 20,
      low: 1,
      close: 12,
      volume: 6,
      trades: 6,
      vwap: 10.83333333,
      is_final: false,
    });
  });

  test("is not changed by a late tick", () => {
    const bars = barsOf([chartTick(START, 1, 10)], 60);
    expect(bars.add(chartTick(START + 1, 2, 99, { isLate: true }))).toBeNull();
    expect(bars.last).toMatchObject({ high: 10, trades: 1 });
  });

  test("has exact sums, and no mean price without volume", () => {
    const volumes = [0.1, 0.2, 0.3, 1e-8];
    const bars = barsOf(
      volumes.map((volume, index) => chartTick(START + index, index, 0.00001234, { volume })),
      60,
    );
    expect(bars.last).toMatchObject({ volume: 0.60000001, vwap: 0.00001234 });
    expect(barsOf([chartTick(START, 1, 5, { volume: 0 })], 60).last?.vwap).toBeNull();
  });
});

describe("a bar of the server", () => {
  const server = {
    start: START,
    open: 10,
    high: 12,
    low: 9,
    close: 11,
    volume: 4,
    trades: 4,
    vwap: 10.5,
    is_final: false,
  };
  const bars = () => new Bars(60, [server], (START + 30) * 1_000_000);

  test("goes on with ticks that are newer", () => {
    const live = bars();
    expect(live.add(chartTick(START + 31, 9, 13, { volume: 2 }))).toBe(START);
    expect(live.last).toEqual({
      ...server,
      high: 13,
      close: 13,
      volume: 6,
      trades: 5,
      vwap: 11.33333333,
    });
  });

  test("keeps its close if a tick is older than the latest one", () => {
    const live = bars();
    live.add(chartTick(START + 10, 9, 8));
    expect(live.last).toMatchObject({ open: 10, close: 11, low: 8, trades: 5 });
  });

  test("is the first: earlier ticks make no bar before it", () => {
    const live = bars();
    expect(live.add(chartTick(START - 1, 9, 8))).toBeNull();
    expect(live.list).toHaveLength(1);
  });
});

test("the oldest bars go", () => {
  const bars = new Bars(5);
  for (let index = 0; index < BARS_MAX + 10; index += 1) bars.add(chartTick(index * 5, index, 1));
  expect(bars.list).toHaveLength(BARS_MAX);
  expect(bars.list[0]?.start).toBe(50);
  expect(bars.at(0)).toBeUndefined();
});

describe("units", () => {
  test.each([0, 1e-8, 0.00001234, 61837.63, 9_999_999])("%d comes back", (amount) =>
    expect(fromUnits(toUnits(amount))).toBe(amount),
  );

  test("a mean price is rounded half to even", () => {
    expect(vwapOf(5n, 2n)).toBe(2e-8);
    expect(vwapOf(7n, 2n)).toBe(4e-8);
    expect(vwapOf(8n, 3n)).toBe(3e-8);
  });
});
