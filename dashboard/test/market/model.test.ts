import { describe, expect, test } from "vitest";
import type { ChartData, SymbolData } from "../../src/market/chart/load";
import { ChartModel } from "../../src/market/chart/model";
import { planOf } from "../../src/market/chart/ranges";
import { known, pastTicksOf, unseen } from "../../src/market/chart/ticks";
import { momentOf } from "../../src/market/micros";
import type { Bar, PastTick } from "../../src/market/types";
import { chartTick, tick } from "./ticks";

const START = 1_700_000_040;
const past = (at: number, price: number, more: Partial<PastTick> = {}): PastTick => ({
  symbol: "A",
  price,
  volume: 1,
  timestamp: momentOf(at * 1_000_000),
  is_anomaly: false,
  ma_1m: price,
  ma_5m: price,
  vol_1m: 1,
  ...more,
});
const bar = (start: number, close: number, more: Partial<Bar> = {}): Bar => ({
  start,
  open: close,
  high: close,
  low: close,
  close,
  volume: 1,
  trades: 1,
  vwap: close,
  is_final: true,
  ...more,
});
const symbol = (newestFirst: PastTick[], more: Partial<SymbolData> = {}): SymbolData => ({
  symbol: "A",
  latest: { ...(newestFirst[0] ?? past(START, 1)), seq: 1 },
  intervalS: 60,
  bars: [],
  ticks: pastTicksOf(newestFirst),
  complete: true,
  anomalies: [],
  dayOpen: null,
  ...more,
});
const chart = (main: SymbolData, other: SymbolData | null = null, range: "5m" | "60m" = "60m"): ChartData => ({
  range,
  plan: planOf(range, START * 1_000_000),
  main,
  other,
});

describe("live ticks behind the past ones", () => {
  const ticks = [1, 2, 3, 4].map((seq) => chartTick(START + seq, seq, seq));

  test("are those that the database did not have", () => {
    const known = pastTicksOf([past(START + 2, 2), past(START + 1, 1), past(START - 9, 9)]);
    expect(unseen(ticks, known).map((each) => each.seq)).toEqual([3, 4]);
    expect(unseen(ticks, [])).toHaveLength(4);
    expect(unseen(ticks, pastTicksOf([past(START + 4, 4)]))).toEqual([]);
  });

  test("may equal one another: as many are known as the database has", () => {
    const twins = [chartTick(START, 1, 5), chartTick(START, 2, 5)];
    expect(unseen(twins, pastTicksOf([past(START, 5)])).map((each) => each.seq)).toEqual([2]);
  });
});

describe("ticks that are known", () => {
  const live = [1, 2, 4, 5, 6, 7].map((seq) => chartTick(START + seq * 100, seq, seq));
  const newest = pastTicksOf([past(START + 600, 6), past(START + 500, 5)]);

  test("reach back to the first live one whose followers all came, plus the lateness", () => {
    const found = known(newest, false, live);
    expect(found.ticks.map((each) => each.price)).toEqual([4, 5, 6, 7]);
    expect(found.unseen).toBe(1);
    expect(found.fromUs).toBe((START + 460) * 1_000_000 + 1);
  });

  test("reach back to the oldest past one without live ones", () => {
    expect(known(newest, false, []).fromUs).toBe((START + 500) * 1_000_000 + 1);
    expect(known(newest, true, live)).toMatchObject({ unseen: 1, fromUs: Number.NEGATIVE_INFINITY });
  });
});

test("past ticks are put in the order of time, and are late without averages", () => {
  const ticks = pastTicksOf([past(START + 1, 3), past(START, 2), past(START, 1, { ma_1m: null })]);
  expect(ticks.map((each) => [each.price, each.isLate])).toEqual([
    [1, true],
    [2, false],
    [3, false],
  ]);
  expect((ticks[0]?.seq ?? 0) < (ticks[1]?.seq ?? 0)).toBe(true);
});

describe("the model of a chart", () => {
  test("builds the bar that is not final from its ticks: the server's may be two seconds old", () => {
    const newest = [past(START + 63, 7), past(START + 61, 5), past(START + 10, 4)];
    const stale = bar(START + 60, 5, { is_final: false });
    const model = new ChartModel(chart(symbol(newest, { bars: [bar(START, 4), stale] })), () => []);
    expect(model.main.bars.list).toMatchObject([
      { start: START, close: 4, is_final: true },
      { start: START + 60, open: 5, close: 7, trades: 2 },
    ]);
  });

  test("keeps the server's bar if not all of its ticks are known", () => {
    const stale = bar(START, 5, { is_final: false, trades: 5_000 });
    const model = new ChartModel(
      chart(symbol([past(START + 30, 6)], { bars: [stale], complete: false })),
      () => [],
    );
    expect(model.main.bars.last?.trades).toBe(5_000);
  });

  test("builds a bar from live ticks if the past ones do not reach back to its begin", () => {
    const live = [START - 70, START + 1, START + 2, START + 3].map((at, index) =>
      tick("A", at, index + 1, index + 1),
    );
    const stale = bar(START, 2, { is_final: false, trades: 1 });
    const main = symbol([past(START + 2, 3)], { bars: [stale], complete: false });
    const model = new ChartModel(chart(main), () => live);
    expect(model.main.bars.last).toMatchObject({ start: START, open: 2, close: 4, trades: 3 });
  });

  test("counts no tick twice, whether it came before the answer, with it or after it", () => {
    const live = [tick("A", START + 1, 1, 4), tick("A", START + 2, 2, 6)];
    const model = new ChartModel(chart(symbol([past(START + 1, 4)])), () => live);
    model.add(tick("A", START + 3, 3, 5));
    model.add(tick("B", START + 3, 3, 500));
    expect(model.main.bars.last).toMatchObject({ open: 4, high: 6, close: 5, trades: 3 });
    expect(model.takeDirty()).toEqual([START]);
    expect(model.takeDirty()).toEqual([]);
  });

  test("has fine bars if all ticks of the range are known, in both symbols", () => {
    const main = symbol([past(START + 7, 2), past(START, 1)]);
    expect(new ChartModel(chart(main, null, "5m"), () => []).main.bars.list.map((each) => each.start)).toEqual([
      START,
      START + 5,
    ]);
    const other = symbol([past(START, 1)], { symbol: "B", complete: false, bars: [bar(START, 1)] });
    const model = new ChartModel(chart(main, other, "5m"), () => []);
    expect([model.isFine, model.intervalS]).toEqual([false, 60]);
  });

  test("knows an anomaly once, with its bar", () => {
    const anomaly = { symbol: "A", price: 9, kind: "jump", severity: "warning" as const, text: "+9 %" };
    const anomalies = [{ ...anomaly, timestamp: momentOf((START + 1) * 1_000_000) }];
    const model = new ChartModel(chart(symbol([past(START + 1, 9)], { anomalies })), () => []);
    const found = [{ kind: "jump", severity: "warning", text: "+9 %" }];
    model.add(tick("A", START + 1, 2, 9, { is_anomaly: true, anomalies: found }));
    model.add(tick("A", START + 70, 3, 12, { is_anomaly: true, anomalies: found }));
    expect(model.main.anomalies).toHaveLength(2);
    expect(model.main.anomaliesIn(START + 60)).toHaveLength(1);
  });

  test("has the averages of the last tick of each bar", () => {
    const ticks = [past(START + 61, 3, { ma_1m: 2.5 }), past(START + 2, 2, { ma_1m: 1.5 }), past(START, 1)];
    const { main } = new ChartModel(chart(symbol(ticks)), () => []);
    expect(main.averagePoints().map((point) => point.short)).toEqual([1.5, 2.5]);
    expect(main.averageAt(START + 600)).toEqual({ start: START + 600, short: null, long: null });
  });

  test("has means of closes if bars are long, or not all ticks are known", () => {
    const bars = [0, 1, 2, 3, 4].map((index) => bar(START + index * 60, index));
    const ticks = [past(START + 250, 4)];
    const part = new ChartModel(chart(symbol(ticks, { bars, complete: false })), () => []).main;
    expect([part.ofTicks, part.averageAt(START + 240).short]).toEqual([false, 2]);
    expect(part.averagePoints().at(-1)).toEqual(part.averageAt(START + 240));
    expect(new ChartModel(chart(symbol(ticks, { bars })), () => []).main.ofTicks).toBe(true);
    expect(new ChartModel(chart(symbol(ticks, { bars, intervalS: 300 })), () => []).main.ofTicks).toBe(false);
  });
});
