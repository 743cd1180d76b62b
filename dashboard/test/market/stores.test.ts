import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KEPT_MAX, TickFeed } from "../../src/market/chart/tick-feed";
import { MarketStore } from "../../src/market/store/market-store";
import type { SymbolShown } from "../../src/market/types";
import { tick } from "./ticks";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const shown = (symbol: string): SymbolShown => ({
  symbol,
  price: 1,
  volume: 1,
  timestamp: "2024-08-08T12:00:00Z",
  change_percent: null,
  is_anomaly: false,
  seq: 1,
});

describe("the market store", () => {
  test("draws once for a thousand ticks, and has rows of listed symbols only", () => {
    const store = new MarketStore("ws://x");
    store.applyPage([shown("A")]);
    vi.advanceTimersByTime(16);
    const before = store.frame.value;
    const noon = Date.parse("2024-08-08T12:00:00Z") / 1000;
    for (let seq = 2; seq < 1_002; seq += 1) store.apply(tick("A", noon + seq, seq, seq));
    store.apply(tick("unknown", noon, 1, 1));
    vi.advanceTimersByTime(16);
    expect(store.frame.value).toBe(before + 1);
    expect(store.rows.get("A")?.price).toBe(1_001);
    expect(store.rows.size).toBe(1);
  });

  test("forgets symbols that are not listed any more", () => {
    const store = new MarketStore("ws://x");
    store.applyPage([shown("A"), shown("B")]);
    const before = store.membership.value;
    store.keepOnly(new Set(["B"]));
    expect([...store.rows.keys()]).toEqual(["B"]);
    expect(store.membership.value).toBe(before + 1);
  });
});

describe("the feed of a chart", () => {
  class FakeSocket {
    static OPEN = 1;
    static last: FakeSocket;
    readyState = 1;
    sent: { symbols: Record<string, number> }[] = [];
    onopen: (() => void) | null = null;
    onmessage: ((message: { data: string }) => void) | null = null;
    onclose: (() => void) | null = null;
    constructor() {
      FakeSocket.last = this;
    }
    send(text: string) {
      this.sent.push(JSON.parse(text));
    }
    close() {}
  }
  const receive = (frame: unknown) => FakeSocket.last.onmessage?.({ data: JSON.stringify(frame) });
  let feed: TickFeed;
  beforeEach(() => {
    vi.stubGlobal("WebSocket", FakeSocket);
    feed = new TickFeed("ws://x");
    feed.watch(["A"]);
    feed.start();
    FakeSocket.last.onopen?.();
  });
  afterEach(() => feed.pause());

  test("keeps each tick once, and asks for those behind its last one", () => {
    const heard: number[] = [];
    feed.listen((each) => heard.push(each.seq));
    for (const seq of [4, 5, 5, 4, 6]) receive(tick("A", seq, seq, 1));
    receive(tick("B", 1, 1, 1));
    expect(heard).toEqual([4, 5, 6]);
    expect(feed.ticksOf("A").map((each) => each.seq)).toEqual([4, 5, 6]);
    feed.watch(["A", "C"]);
    expect(FakeSocket.last.sent.at(-1)?.symbols).toEqual({ A: 6, C: 0 });
  });

  test("says when ticks may be missing: after a gap, and on a new connection", () => {
    receive({ type: "pulse", at_ms: 0, live: true, frames: 0 });
    expect(feed.missed.value).toBe(0);
    receive({ type: "pulse", at_ms: 0, live: true, frames: 3 });
    expect(feed.missed.value).toBe(1);
    FakeSocket.last.onclose?.();
    vi.advanceTimersByTime(1_000);
    FakeSocket.last.onopen?.();
    expect(feed.missed.value).toBe(2);
  });

  test("keeps a bounded number of ticks", () => {
    for (let seq = 1; seq <= KEPT_MAX + 10; seq += 1) receive(tick("A", seq, seq, 1));
    expect(feed.ticksOf("A").length).toBeLessThanOrEqual(KEPT_MAX);
    expect(feed.ticksOf("A").at(-1)?.seq).toBe(KEPT_MAX + 10);
  });
});
