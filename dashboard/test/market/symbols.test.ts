import { describe, expect, test } from "vitest";
import { addressOf, isSymbol, symbolOf } from "../../src/market/address";
import { decimalsOf, formatAxis, formatPrice, formatVolume } from "../../src/market/prices";
import {
  changeOf,
  type MarketRow,
  markOf,
  newRow,
  takeAnomalies,
  takeShown,
  takeTick,
} from "../../src/market/store/row";
import { extend, SPARK_POINTS, sparkOf } from "../../src/market/store/spark";
import { arrange, DEFAULT_VIEW, moves, readView, type View, writeView } from "../../src/market/symbols/view";
import type { SymbolShown } from "../../src/market/types";
import { tick } from "./ticks";

const NOON = Date.parse("2024-08-08T12:00:00Z") / 1000;
const shown = (symbol: string, more: Partial<SymbolShown> = {}): SymbolShown => ({
  symbol,
  price: 110,
  volume: 1,
  timestamp: "2024-08-08T12:00:00.000000Z",
  change_percent: 10,
  is_anomaly: false,
  seq: 5,
  ...more,
});

describe("prices have the digits that their size asks for", () => {
  test.each([
    [61837.63, "61,837.63"],
    [61837.12345678, "61,837.1235"],
    [189.5, "189.50"],
    [1.0834, "1.0834"],
    [1.08345, "1.08345"],
    [0.5, "0.50000"],
    [0.00001234, "0.00001234"],
    [0.00000001, "0.00000001"],
    [9_999_999_999.99, "9,999,999,999.99"],
    [0, "0.00"],
  ])("%d is %s", (price, text) => expect(formatPrice(price)).toBe(text));

  test("those of an axis have all the same", () => {
    const format = formatAxis(decimalsOf(1.0834));
    expect([format(1), format(1.08349)]).toEqual(["1.0000", "1.0835"]);
  });

  test.each([
    [0.025, "0.025"],
    [1234.5, "1,234.5"],
    [1_234_567, "1.235M"],
  ])("a volume of %d is %s", (volume, text) => expect(formatVolume(volume)).toBe(text));
});

describe("a row", () => {
  test("takes newer ticks, and no late or older one", () => {
    const row = newRow(shown("A"));
    takeTick(row, tick("A", NOON + 1, 6, 121), 1000);
    expect([row.price, row.moved, row.seq]).toEqual([121, 1, 6]);
    expect(changeOf(row)).toBeCloseTo(21);
    takeTick(row, tick("A", NOON - 500, 7, 1, { is_late: true }), 1000);
    takeTick(row, tick("A", NOON, 8, 1), 1000);
    expect([row.price, row.version]).toEqual([121, 8]);
  });

  test("opens a new day with its first tick, until a page of symbols knows better", () => {
    const row = newRow(shown("A"));
    const tomorrow = NOON + 86_400;
    takeTick(row, tick("A", tomorrow, 6, 50), 0);
    expect(changeOf(row)).toBe(0);
    takeShown(row, shown("A", { timestamp: "2024-08-09T12:00:00Z", price: 50, change_percent: 25, seq: 6 }), 0);
    expect(changeOf(row)).toBeCloseTo(25);
    takeShown(row, shown("A", { change_percent: 900 }), 0);
    expect([row.price, changeOf(row)]).toEqual([50, expect.closeTo(25)]);
  });

  test("is marked for a quarter of an hour of its own time", () => {
    const row = newRow(shown("A"));
    const anomaly = { symbol: "A", price: 1, kind: "jump", severity: "warning" as const, text: "+3 %" };
    takeAnomalies(new Map([["A", row]]), [{ ...anomaly, timestamp: "2024-08-08T11:50:00Z" }]);
    expect(markOf(row)).toBe("+3 %");
    takeTick(row, tick("A", NOON + 301, 6, 121), 0);
    expect(markOf(row)).toBeNull();
  });
});

test("a sparkline keeps a bounded number of closes, the last one live", () => {
  const bars = [0, 60].map((start) => ({ start, close: 1 }));
  const spark = sparkOf({ symbol: "A", interval_s: 60, bars: bars as never }, 0);
  extend(spark, 65_000_000, 2);
  expect(spark.closes).toEqual([1, 2]);
  for (let minute = 2; minute < 200; minute += 1) extend(spark, minute * 60_000_000, minute);
  expect(spark.closes).toHaveLength(SPARK_POINTS);
  expect(spark.closes.at(-1)).toBe(199);
});

describe("the list of symbols", () => {
  const rows = (...all: SymbolShown[]) => new Map(all.map((each) => [each.symbol, newRow(each)]));
  const view = (change: Partial<View>): View => ({ ...DEFAULT_VIEW, ...change });
  const found = rows(
    shown("BTC/USD", { price: 3, change_percent: null }),
    shown("^gspc", { price: 2, change_percent: 4 }),
    shown("ETH/USD", { price: 3, change_percent: -4 }),
  );

  test("is ordered by name in any case, and by numbers with unknown ones last", () => {
    expect(arrange(found, view({}))).toEqual(["^gspc", "BTC/USD", "ETH/USD"]);
    expect(arrange(found, view({ sort: "price", descending: true }))).toEqual(["BTC/USD", "ETH/USD", "^gspc"]);
    expect(arrange(found, view({ sort: "change" }))).toEqual(["ETH/USD", "^gspc", "BTC/USD"]);
    expect(arrange(found, view({ sort: "change", descending: true }))).toEqual(["^gspc", "ETH/USD", "BTC/USD"]);
  });

  test("is searched by a part of the name in any case", () => {
    expect(arrange(found, view({ search: " usd" }))).toEqual(["BTC/USD", "ETH/USD"]);
    expect(arrange(found, view({ search: "GSPC" }))).toEqual(["^gspc"]);
  });

  test("may have marked symbols only", () => {
    (found.get("ETH/USD") as MarketRow).isAnomaly = true;
    expect(arrange(found, view({ marked: true }))).toEqual(["ETH/USD"]);
    expect([moves(view({})), moves(view({ marked: true })), moves(view({ sort: "price" }))]).toEqual([
      false,
      true,
      true,
    ]);
  });

  test("has its view in the address", () => {
    const all = view({ search: "b&c", marked: true, sort: "age", descending: true });
    expect(readView(writeView(all))).toEqual(all);
    expect(writeView(DEFAULT_VIEW)).toBe("");
    expect(readView("sort=today.desc")).toEqual(DEFAULT_VIEW);
  });
});

describe("the address of a symbol", () => {
  test.each(["BTC/USD", "^GSPC", "EURUSD=X", "RDS.A", "A:B"])("%s comes back", (symbol) => {
    const address = addressOf(symbol);
    expect(address.split("/")).toHaveLength(4);
    expect(symbolOf(address.replace("/market/symbol/", ""))).toBe(symbol);
  });
  test("may have been decoded by a proxy, or be broken", () => {
    expect(symbolOf("BTC/USD")).toBe("BTC/USD");
    expect(symbolOf("%zz")).toBe("%zz");
  });
  test("symbols have up to 32 characters of few kinds", () => {
    expect([isSymbol("EURUSD=X"), isSymbol("a b"), isSymbol(""), isSymbol("A".repeat(33))]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
