import { describe, expect, test } from "vitest";
import { averageNames, barAverages } from "../../src/market/chart/averages";
import { barRows, comparisonRows } from "../../src/market/chart/csv";
import { percentAt, percentsOf, sharedStart } from "../../src/market/chart/percent";
import { intervalText, planOf, readRange } from "../../src/market/chart/ranges";
import { readChartView, writeChartView } from "../../src/market/chart/view";
import { microsOf, momentOf } from "../../src/market/micros";
import type { Bar } from "../../src/market/types";
import { toCsv } from "../../src/ui/csv";

const bar = (start: number, close: number): Bar => ({
  start,
  open: close,
  high: close,
  low: close,
  close,
  volume: 2,
  trades: 1,
  vwap: null,
  is_final: true,
});

describe("the ranges", () => {
  const LATEST = microsOf("2024-08-08T12:34:56.789012Z");

  test.each([
    ["5m", "2024-08-08T12:29:00.000000Z", 5],
    ["15m", "2024-08-08T12:19:00.000000Z", 15],
    ["60m", "2024-08-08T11:34:00.000000Z", null],
    ["1d", "2024-08-07T12:34:00.000000Z", null],
  ] as const)("%s ends with the latest tick and begins with a whole minute", (range, from, fineS) => {
    const plan = planOf(range, LATEST);
    expect(momentOf(plan.fromUs ?? 0)).toBe(from);
    expect(plan.fineS).toBe(fineS);
  });

  test("all has no begin, and few enough points for a screen", () => {
    expect(planOf("all", LATEST)).toMatchObject({ fromUs: null, points: 500, fineS: null });
    // A day has 288 bars of five minutes, and the API picks these.
    expect(planOf("1d", LATEST).points).toBeGreaterThanOrEqual(289);
    expect(planOf("1d", LATEST).points).toBeLessThan(1440);
  });

  test("an unknown one is an hour", () => expect([readRange("1y"), readRange(null)]).toEqual(["60m", "60m"]));

  test.each([
    [5, "5 s"],
    [60, "1 m"],
    [900, "15 m"],
    [3_600, "1 h"],
    [86_400, "1 d"],
  ])("%d seconds are %s", (seconds, text) => expect(intervalText(seconds)).toBe(text));
});

describe("moments", () => {
  test.each(["2024-08-08T23:54:15.342001Z", "2099-12-31T23:59:59.999999Z", "2000-01-01T00:00:00.000000Z"])(
    "%s is exact to the microsecond",
    (text) => expect(momentOf(microsOf(text))).toBe(text),
  );
  test("may have no fraction", () => expect(microsOf("1970-01-01T00:00:01Z")).toBe(1_000_000));
});

describe("averages of bars", () => {
  const bars = Array.from({ length: 21 }, (_, index) => bar(index * 300, index));

  test("are means of closes, and unknown at the beginning", () => {
    const points = barAverages(bars);
    expect(points[3]).toEqual({ start: 900, short: null, long: null });
    expect(points[4]).toEqual({ start: 1_200, short: 2, long: null });
    expect(points[20]).toEqual({ start: 6_000, short: 18, long: 10.5 });
  });

  test("are called so", () => {
    expect(averageNames(true)).toEqual(["1 m average", "5 m average"]);
    expect(averageNames(false)).toEqual(["average of 5 bars", "average of 20 bars"]);
  });
});

describe("a comparison", () => {
  const one = [bar(0, 50), bar(60, 100), bar(120, 110), bar(240, 90)];
  const other = [bar(60, 0.002), bar(180, 0.003)];
  const base = sharedStart(one, other);

  test("begins with the first bar that both have", () => {
    expect(base).toBe(60);
    expect(sharedStart(one, [bar(7, 1)])).toBeNull();
    expect(percentsOf(one, null)).toEqual([]);
  });

  test("is the change in per cent since then", () => {
    const percents = percentsOf(one, base);
    expect(percents.map((point) => [point.start, Math.round(point.percent * 1e9) / 1e9])).toEqual([
      [60, 0],
      [120, 10],
      [240, -10],
    ]);
    expect(percentAt(percents, 200)).toBeCloseTo(10);
    expect(percentAt(percents, 0)).toBeNull();
  });

  test("has a row of its CSV for each bar of either", () => {
    const part = (symbol: string, bars: Bar[]) => ({ symbol, bars, percents: percentsOf(bars, base) });
    const rows = comparisonRows(part("A", one), part("B/C", other));
    expect(rows.map((row) => row["B/C close"])).toEqual([0.002, null, 0.003, null]);
    expect(rows[0]).toEqual({
      start: "1970-01-01T00:01:00.000Z",
      "A close": 100,
      "A percent": 0,
      "B/C close": 0.002,
      "B/C percent": 0,
    });
  });
});

test("the CSV of a chart has its bars and both averages", async () => {
  const averages = [{ start: 60, short: 1.5, long: null }];
  const rows = barRows("=X", [bar(60, 0.00001234)], averages, averageNames(true));
  expect((await toCsv(rows).text()).split("\r\n")).toEqual([
    "symbol,start,open,high,low,close,volume,trades,vwap,is_final,1_m_average,5_m_average",
    '"\'=X",1970-01-01T00:01:00.000Z,0.00001234,0.00001234,0.00001234,0.00001234,2,1,,true,1.5,',
  ]);
});

describe("the address of a chart", () => {
  test("carries the view there and back", () => {
    const view = { range: "1d", style: "line", other: "^GSPC" } as const;
    expect(readChartView(writeChartView(view), "BTC/USD")).toEqual(view);
    expect(writeChartView(readChartView("", "A"))).toBe("");
  });

  test("compares a symbol neither with itself nor with nonsense", () => {
    expect(readChartView("with=A", "A").other).toBeNull();
    expect(readChartView("with=a+b", "A").other).toBeNull();
  });
});
