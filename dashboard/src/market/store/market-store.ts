/** The market store: a row for every symbol. Rows change in place; components are drawn again once a frame. Symbols on the
 * screen are live; all others are as old as the last round of `GET /market/symbols`. */

import { Frames } from "../../live/frames";
import { Link } from "../../live/link";
import type { Tick } from "../../live/messages";
import type { Loading } from "../../live/price-store";
import { Signal } from "../../ui/signal";
import { anomaliesOf, PAGE_MAX, symbolsPage } from "../requests";
import type { SymbolShown } from "../types";
import { type MarketRow, newRow, takeAnomalies, takeShown, takeTick } from "./row";
import { SparkLoader } from "./spark-loader";

const ROUND_EVERY_MS = 5_000;
/** With more symbols than this, a round is many requests, and there are fewer rounds. */
const MANY_SYMBOLS = 2_000;
const ROUND_OF_MANY_EVERY_MS = 15_000;
const RETRY_MS = 3_000;
const ANOMALIES = 200;

export class MarketStore {
  readonly rows = new Map<string, MarketRow>();
  readonly frame = new Frames();
  /** Grows when rows come or go. */
  readonly membership = new Signal(0);
  readonly loading = new Signal<Loading>({ kind: "loading", loaded: 0, total: 0 });
  /** The problem of the last round; null for none. Rows stay as they were. */
  readonly problem = new Signal<string | null>(null);
  readonly link: Link<Tick>;
  private readonly sparks = new SparkLoader(this.rows, () => this.frame.touch());
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Grows with every start and stop: a round that began before ends without effect. */
  private turn = 0;

  constructor(linkUrl: string) {
    this.link = new Link<Tick>(linkUrl, "symbols", {
      version: (symbol) => this.rows.get(symbol)?.version ?? 0,
      onMessage: (tick) => this.apply(tick),
    });
  }

  start(): void {
    this.link.start();
    this.turn += 1;
    void this.round(this.turn);
  }

  pause(): void {
    this.turn += 1;
    clearTimeout(this.timer);
    this.link.pause();
  }

  resume(): void {
    this.link.resume();
    this.turn += 1;
    void this.round(this.turn);
  }

  /** The symbols on the screen: live from now on, and with sparklines. */
  watch(symbols: string[]): void {
    this.link.watch(symbols);
    this.sparks.want(symbols);
  }

  apply(tick: Tick, now = Date.now()): void {
    const row = this.rows.get(tick.symbol);
    // Only symbols with a row are watched.
    if (!row) return;
    takeTick(row, tick, now);
    this.frame.touch();
  }

  /** A page of symbols. */
  applyPage(found: SymbolShown[], now = Date.now()): void {
    let members = false;
    for (const each of found) {
      const row = this.rows.get(each.symbol);
      if (row) takeShown(row, each, now);
      else this.rows.set(each.symbol, newRow(each));
      members ||= !row;
    }
    if (members) this.membership.set(this.membership.value + 1);
    this.frame.touch();
  }

  /** The end of a round: symbols that were on none of its pages are gone. */
  keepOnly(listed: ReadonlySet<string>): void {
    const gone = [...this.rows.keys()].filter((symbol) => !listed.has(symbol));
    for (const symbol of gone) this.rows.delete(symbol);
    if (gone.length) this.membership.set(this.membership.value + 1);
  }

  private async round(turn: number): Promise<void> {
    clearTimeout(this.timer);
    let wait = RETRY_MS;
    try {
      const finished = await this.readAll(turn);
      if (!finished) return;
      this.problem.set(null);
      this.loading.set(READY);
      wait = this.rows.size > MANY_SYMBOLS ? ROUND_OF_MANY_EVERY_MS : ROUND_EVERY_MS;
    } catch (error) {
      if (turn !== this.turn) return;
      const text = (error as Error).message;
      this.problem.set(text);
      if (this.rows.size === 0) this.loading.set({ kind: "failed", error: text });
    }
    this.timer = setTimeout(() => void this.round(turn), wait);
  }

  /** Read every page of symbols, then the anomalies. False if the store was stopped meanwhile. Raises ApiError. */
  private async readAll(turn: number): Promise<boolean> {
    const listed = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await symbolsPage({ limit: PAGE_MAX, cursor });
      if (turn !== this.turn) return false;
      for (const { symbol } of page.symbols) listed.add(symbol);
      this.applyPage(page.symbols);
      cursor = page.next_cursor ?? undefined;
      if (this.loading.value.kind !== "ready") {
        this.loading.set({ kind: "loading", loaded: this.rows.size, total: 0 });
      }
    } while (cursor);
    this.keepOnly(listed);
    if (listed.size) await this.readAnomalies();
    return turn === this.turn;
  }

  private async readAnomalies(): Promise<void> {
    try {
      takeAnomalies(this.rows, await anomaliesOf({ limit: ANOMALIES }));
      this.frame.touch();
    } catch {
      // Without the database there are no marks of earlier anomalies; prices go on.
    }
  }
}

const READY: Loading = { kind: "ready" };
