import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { BoardPage, BoardRow, PriceUpdate } from "../../src/live/messages";
import { PriceStore } from "../../src/live/price-store";
import { SPARK_POINTS } from "../../src/live/row";

const DAY_MS = 86_400_000;
const update = (id: string, version: number, price: number, more: Partial<PriceUpdate> = {}): PriceUpdate => ({
  type: "price_update",
  product_id: id,
  new_price: price,
  timestamp: 0,
  version,
  previous_price: 10,
  demand: version,
  price_source: "dynamic",
  event_time_ms: 5 * DAY_MS,
  policy: "p",
  adjustments: [{ rule: "base", amount: price, reason: "last event" }],
  ...more,
});
const board = (id: string, version: number, price: number): BoardRow => [
  id,
  `Name ${id}`,
  "toys",
  price,
  1,
  "dynamic",
  version,
  1000,
  null,
  8,
];
const page = (rows: BoardRow[], reset = false): BoardPage => ({
  token: "t-1",
  reset,
  more: false,
  loading: false,
  total: rows.length,
  rows,
});

let prices: PriceStore;
beforeEach(() => {
  vi.useFakeTimers();
  prices = new PriceStore("ws://x");
});
afterEach(() => vi.useRealTimers());

test("an older or equal version changes nothing, from whichever side it comes", () => {
  prices.apply(update("A", 5, 12));
  prices.apply(update("A", 5, 99));
  prices.apply(update("A", 4, 99));
  prices.applyPage(page([board("A", 3, 99)]));
  expect(prices.rows.get("A")).toMatchObject({ price: 12, version: 5, name: "Name A", dayOpen: 8 });
});

test("a move up and a move down are remembered; a price that stands is none", () => {
  prices.applyPage(page([board("A", 1, 10)]));
  const row = prices.rows.get("A");
  expect(row?.moved).toBe(0);
  prices.apply(update("A", 2, 11));
  expect(row?.moved).toBe(1);
  prices.apply(update("A", 3, 9));
  expect(row?.moved).toBe(-1);
  const at = row?.movedAt;
  vi.advanceTimersByTime(1000);
  prices.apply(update("A", 4, 9));
  expect(row?.movedAt).toBe(at);
});

test("a new day opens with the price before it", () => {
  prices.applyPage(page([board("A", 1, 10)]));
  prices.apply(update("A", 2, 11));
  expect(prices.rows.get("A")?.dayOpen).toBe(8);
  prices.apply(update("A", 3, 12, { previous_price: 11, event_time_ms: 6 * DAY_MS }));
  expect(prices.rows.get("A")?.dayOpen).toBe(11);
  prices.apply(update("A", 4, 13, { previous_price: 12, event_time_ms: 5 * DAY_MS }));
  expect(prices.rows.get("A")?.dayOpen).toBe(11);
});

test("a thousand updates between two frames are one frame", () => {
  let frames = 0;
  prices.frame.subscribe(() => {
    frames += 1;
  });
  for (let version = 1; version <= 1000; version += 1) prices.apply(update("A", version, version));
  vi.advanceTimersByTime(16);
  expect(frames).toBe(1);
  expect(prices.rows.get("A")?.price).toBe(1000);
});

test("a day of updates takes no more memory than its first minutes", () => {
  for (let second = 0; second < 86_400; second += 10) {
    vi.setSystemTime(second * 1000);
    prices.apply(update("A", second + 1, second));
  }
  expect(prices.rows.size).toBe(1);
  expect(prices.rows.get("A")?.spark).toHaveLength(SPARK_POINTS);
});

test("an answer of another process begins anew", () => {
  prices.applyPage(page([board("A", 5, 10), board("B", 1, 10)]));
  prices.applyPage(page([board("A", 1, 7)], true));
  expect([...prices.rows.keys()]).toEqual(["A"]);
  expect(prices.rows.get("A")?.price).toBe(7);
});

test("the guardrail that had the last word is known", () => {
  const adjustments = [
    { rule: "base", amount: 1, reason: "" },
    { rule: "ceiling", amount: -1, reason: "" },
    { rule: "ending", amount: 1, reason: "" },
  ];
  prices.knowGuardrails(new Set(["ceiling", "ending"]));
  prices.apply(update("A", 1, 1));
  prices.apply(update("A", 2, 1, { adjustments }));
  expect(prices.rows.get("A")?.boundBy).toBe("ending");
});

describe("updates that come before the guardrails are known", () => {
  const adjustments = [
    { rule: "base", amount: 1, reason: "" },
    { rule: "floor", amount: 1, reason: "" },
  ];

  test("are judged once they are", () => {
    prices.apply(update("A", 1, 2, { adjustments }));
    prices.apply(update("B", 1, 2));
    const stamp = prices.rows.get("A")?.stamp ?? 0;
    prices.knowGuardrails(new Set(["floor"]));
    expect(prices.rows.get("A")).toMatchObject({ boundBy: "floor", stamp: stamp + 1 });
    expect(prices.rows.get("B")?.boundBy).toBeNull();
  });

  test("do not outlive a newer row of the board", () => {
    prices.apply(update("A", 1, 2, { adjustments }));
    prices.applyPage(page([board("A", 2, 3)]));
    prices.knowGuardrails(new Set(["floor"]));
    expect(prices.rows.get("A")?.boundBy).toBeNull();
  });
});

test("a product without a price leaves the board, unless its row is newer", () => {
  prices.applyPage(page([board("A", 3, 10), board("B", 3, 10)]));
  const gone = (id: string, version: number): BoardPage["rows"][number] => [id, "", "", null, 0, "", version];
  prices.applyPage({ ...page([]), rows: [gone("A", 4), gone("B", 2)] });
  expect([...prices.rows.keys()]).toEqual(["B"]);
  prices.apply(update("A", 5, 12));
  expect(prices.rows.get("A")).toMatchObject({ price: 12, version: 5 });
});
