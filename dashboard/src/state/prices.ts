/** Every product that the page knows. Rows change in place; what is on screen is told once a frame. */

import { type BoardPage, type BoardRow, get, type PriceUpdate, type Source } from "../api";
import { Link } from "./link";
import { Signal } from "./signal";

/** How many points a sparkline keeps, and how far apart they are at least. */
export const SPARK_POINTS = 24;
const SPARK_EVERY_MS = 1_000;
const CHANGES_EVERY_MS = 2_000;
const RETRY_MS = 3_000;
const DAY_MS = 86_400_000;

export interface Row {
  readonly id: string;
  name: string;
  /** The name, or the id of what has none, in lower case: what products are sorted by. */
  sortName: string;
  category: string;
  price: number;
  demand: number;
  source: Source;
  version: number;
  /** When it was last decided, by the wall clock; for updates seen here, when they came. */
  updatedAt: number;
  boundBy: string | null;
  dayOpen: number | null;
  day: number;
  /** The last move that a person could have seen, and when. */
  moved: -1 | 0 | 1;
  movedAt: number;
  spark: number[];
  sparkAt: number;
  /** Grows with every change: what is drawn with this number is up to date. */
  stamp: number;
}

export type Loading =
  { kind: "loading"; loaded: number; total: number } | { kind: "ready" } | { kind: "failed"; error: string };

export class PriceStore {
  readonly rows = new Map<string, Row>();
  /** Grows at most once a frame, when any row has changed. */
  readonly frame = new Signal(0);
  /** Grows when rows appeared, were renamed, or were forgotten. */
  readonly membership = new Signal(0);
  readonly loading = new Signal<Loading>({ kind: "loading", loaded: 0, total: 0 });
  readonly link: Link;
  updates = 0;
  private token: string | null = null;
  private due = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private paused = false;

  constructor(linkUrl: string) {
    this.link = new Link(linkUrl, {
      version: (id) => this.rows.get(id)?.version ?? 0,
      onUpdate: (update) => this.apply(update),
    });
  }

  start(): void {
    this.link.start();
    void this.poll();
  }

  pause(): void {
    this.paused = true;
    clearTimeout(this.timer);
    this.link.pause();
  }

  resume(): void {
    this.paused = false;
    this.link.resume();
    void this.poll();
  }

  /** An update from the live link. Older ones, and those known already, change nothing. */
  apply(update: PriceUpdate, now = Date.now()): void {
    const row = this.rows.get(update.product_id);
    if (row && row.version >= update.version) return;
    this.updates += 1;
    const bound = boundBy(update);
    const day = Math.floor(update.event_time_ms / DAY_MS);
    if (!row) {
      this.add([
        update.product_id,
        "",
        "",
        update.new_price,
        update.demand,
        update.price_source,
        update.version,
        now,
        bound,
        update.previous_price,
      ]);
      this.membership.set(this.membership.value + 1);
      return;
    }
    if (day > row.day && row.day >= 0) row.dayOpen = update.previous_price ?? update.new_price;
    row.day = Math.max(day, row.day);
    this.move(row, update.new_price, update.demand, now);
    row.source = update.price_source;
    row.version = update.version;
    row.updatedAt = now;
    row.boundBy = bound;
    this.touch(row);
  }

  /** A page of the board: everything, or what has changed since the page before. */
  applyPage(page: BoardPage, now = Date.now()): void {
    let members = false;
    if (page.reset && this.rows.size) {
      this.rows.clear();
      members = true;
    }
    for (const found of page.rows) {
      const row = this.rows.get(found[0]);
      if (!row) {
        this.add(found);
        members = true;
        continue;
      }
      const [, name, category, price, demand, source, version, updatedAt, bound, dayOpen] = found;
      if (name !== row.name || category !== row.category) {
        row.name = name;
        row.sortName = (name || row.id).toLowerCase();
        row.category = category;
        members = true;
      }
      if (dayOpen !== null) row.dayOpen = dayOpen;
      if (version > row.version) {
        this.move(row, price, demand, now);
        row.source = source;
        row.version = version;
        row.updatedAt = updatedAt;
        row.boundBy = bound;
      }
      this.touch(row);
    }
    if (members) this.membership.set(this.membership.value + 1);
  }

  private add(found: BoardRow): void {
    const [id, name, category, price, demand, source, version, updatedAt, bound, dayOpen] = found;
    const row: Row = {
      id,
      name,
      sortName: (name || id).toLowerCase(),
      category,
      price,
      demand,
      source,
      version,
      updatedAt,
      boundBy: bound,
      dayOpen,
      day: -1,
      moved: 0,
      movedAt: 0,
      spark: [demand],
      sparkAt: 0,
      stamp: 1,
    };
    this.rows.set(id, row);
    this.schedule();
  }

  private move(row: Row, price: number, demand: number, now: number): void {
    if (price !== row.price) {
      row.moved = price > row.price ? 1 : -1;
      row.movedAt = now;
    }
    row.price = price;
    row.demand = demand;
    if (now - row.sparkAt >= SPARK_EVERY_MS) {
      row.sparkAt = now;
      if (row.spark.length >= SPARK_POINTS) row.spark.shift();
      row.spark.push(demand);
    } else {
      row.spark[row.spark.length - 1] = demand;
    }
  }

  private touch(row: Row): void {
    row.stamp += 1;
    this.schedule();
  }

  private schedule(): void {
    if (this.due) return;
    this.due = true;
    const draw = () => {
      this.due = false;
      this.frame.set(this.frame.value + 1);
    };
    // A hidden page draws no frames; what comes meanwhile changes rows only.
    if (typeof requestAnimationFrame === "undefined") setTimeout(draw, 16);
    else requestAnimationFrame(draw);
  }

  private async poll(): Promise<void> {
    clearTimeout(this.timer);
    let wait = CHANGES_EVERY_MS;
    try {
      for (;;) {
        const page = await get<BoardPage>(`/board${this.token ? `?since=${this.token}` : ""}`);
        if (this.paused) return;
        this.token = page.token;
        this.applyPage(page);
        const loaded = this.rows.size;
        this.loading.set(
          page.more || (page.loading && loaded === 0) ? { kind: "loading", loaded, total: page.total } : READY,
        );
        if (page.loading) wait = 300;
        if (!page.more) break;
      }
    } catch (error) {
      wait = RETRY_MS;
      if (this.rows.size === 0) this.loading.set({ kind: "failed", error: (error as Error).message });
    }
    if (!this.paused) this.timer = setTimeout(() => void this.poll(), wait);
  }
}

const READY: Loading = { kind: "ready" };
const BINDING = new Set(["max_step", "cooldown", "floor", "ceiling", "ending", "held", "freeze"]);

function boundBy(update: PriceUpdate): string | null {
  return update.adjustments.findLast((adjustment) => BINDING.has(adjustment.rule))?.rule ?? null;
}
