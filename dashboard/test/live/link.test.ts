import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BACK_OFF_S, Link, SILENT_AFTER_MS } from "../../src/live/link";
import type { PriceUpdate, PriceWithdrawn } from "../../src/live/messages";

class FakeSocket {
  static OPEN = 1;
  static made: FakeSocket[] = [];
  readyState = 0;
  sent: { type: string; products: Record<string, number> }[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  receive(frame: unknown) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  pulse(frames: number, live = true) {
    this.receive({ type: "pulse", at_ms: 0, live, frames });
  }
  cut() {
    this.readyState = 3;
    this.onclose?.();
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
}

const update = (id: string, version: number) => ({ type: "price_update", product_id: id, version }) as PriceUpdate;
const newest = () => FakeSocket.made.at(-1) as FakeSocket;
let versions: Record<string, number>;
let link: Link<PriceUpdate | PriceWithdrawn>;
let missed: number;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.made = [];
  versions = {};
  missed = 0;
  link = new Link("ws://x", "products", {
    version: (id) => versions[id] ?? 0,
    onMessage: (each) => {
      if (each.type === "price_update") versions[each.product_id] = each.version;
      else delete versions[each.product_id];
    },
    onMissed: () => {
      missed += 1;
    },
  });
  link.start();
});

afterEach(() => {
  link.pause();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("asks for what is watched, with the versions it has", () => {
  versions.A = 7;
  link.watch(["A", "B"]);
  newest().open();
  expect(newest().sent).toEqual([{ type: "subscribe", products: { A: 7, B: 0 } }]);
  link.watch(["B"]);
  expect(newest().sent.at(-1)).toEqual({ type: "subscribe", products: { B: 0 } });
});

test("is live with the first pulse, and says when Kafka is not", () => {
  newest().open();
  expect(link.state.value.kind).toBe("connecting");
  newest().pulse(0);
  expect(link.state.value).toEqual({ kind: "live", kafka: true });
  newest().pulse(0, false);
  expect(link.state.value).toEqual({ kind: "live", kafka: false });
});

test("comes back after a cut, and resumes by version", () => {
  link.watch(["A"]);
  newest().open();
  newest().receive(update("A", 3));
  newest().cut();
  vi.advanceTimersByTime(1000);
  expect(FakeSocket.made).toHaveLength(2);
  newest().open();
  expect(newest().sent).toEqual([{ type: "subscribe", products: { A: 3 } }]);
  expect(link.reconnects).toBe(1);
  expect(missed).toBe(1);
});

test("waits 1, 2, 5, 10 and again 10 seconds; a pulse starts from 1 again", () => {
  const waits: number[] = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    newest().cut();
    const state = link.state.value;
    if (state.kind !== "waiting") throw new Error(state.kind);
    waits.push((state.retryAtMs - Date.now()) / 1000);
    vi.advanceTimersByTime(state.retryAtMs - Date.now());
  }
  expect(waits).toEqual([...BACK_OFF_S, 10]);
  newest().open();
  newest().pulse(0);
  newest().cut();
  expect(link.state.value).toMatchObject({ kind: "waiting", attempt: 1 });
});

test("names its keys as the server does", () => {
  const symbols = new Link<PriceUpdate>("ws://x", "symbols", { version: () => 17, onMessage: () => {} });
  symbols.watch(["BTC/USD"]);
  symbols.start();
  newest().open();
  expect(newest().sent).toEqual([{ type: "subscribe", symbols: { "BTC/USD": 17 } }]);
  symbols.pause();
});

test("retries now, when told to", () => {
  newest().cut();
  link.retryNow();
  expect(FakeSocket.made).toHaveLength(2);
  vi.advanceTimersByTime(60_000 - 1);
  expect(FakeSocket.made.length).toBeGreaterThan(2);
});

test("takes a silent line for dead, opened or not", () => {
  vi.advanceTimersByTime(SILENT_AFTER_MS);
  expect(link.state.value.kind).toBe("waiting");
  link.retryNow();
  newest().open();
  newest().pulse(0);
  vi.advanceTimersByTime(SILENT_AFTER_MS - 1);
  expect(link.state.value.kind).toBe("live");
  vi.advanceTimersByTime(1);
  expect(link.state.value.kind).toBe("waiting");
});

describe("gaps", () => {
  test("are seen when a pulse counts more frames than came, and asked for again", () => {
    link.watch(["A"]);
    newest().open();
    newest().receive(update("A", 1));
    newest().pulse(1);
    expect(link.gaps + missed).toBe(0);
    newest().pulse(2);
    expect([link.gaps, missed]).toEqual([1, 1]);
    expect(newest().sent).toHaveLength(2);
    newest().pulse(2);
    expect(link.gaps).toBe(1);
  });
});

test("a pause closes the line and nothing opens it but resume", () => {
  newest().open();
  link.pause();
  vi.advanceTimersByTime(120_000);
  expect(FakeSocket.made).toHaveLength(1);
  expect(link.state.value.kind).toBe("paused");
  link.resume();
  expect(FakeSocket.made).toHaveLength(2);
});

test("an old socket that closes late changes nothing", () => {
  const old = newest();
  old.open();
  link.pause();
  link.resume();
  old.cut();
  expect(link.state.value.kind).toBe("connecting");
});
