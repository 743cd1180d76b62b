/** The price store: a row for every product. Rows change in place; components are drawn again once a frame. */

import { answer, api } from "../api/client";
import type { Adjustment } from "../api/types";
import { Signal } from "../ui/signal";
import { Frames } from "./frames";
import { Link } from "./link";
import type { BoardPage, BoardRow, PriceUpdate, PriceWithdrawn } from "./messages";
import { move, newRow, type Row } from "./row";

const CHANGES_EVERY_MS = 2_000;
const RETRY_MS = 3_000;
const DAY_MS = 86_400_000;

export type Loading =
  { kind: "loading"; loaded: number; total: number } | { kind: "ready" } | { kind: "failed"; error: string };

export class PriceStore {
  readonly rows = new Map<string, Row>();
  /** Grows at most once a frame, when any row has changed. */
  readonly frame = new Frames();
  /** Grows when rows appeared, were renamed, or were forgotten. */
  readonly membership = new Signal(0);
  readonly loading = new Signal<Loading>({ kind: "loading", loaded: 0, total: 0 });
  readonly link: Link<PriceUpdate | PriceWithdrawn>;
  updates = 0;
  private token: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private paused = false;
  /** The names of the guardrails; null before the first answer of GET /status. */
  private guardrails: ReadonlySet<string> | null = null;
  /** By product, the adjustments of the newest update that came before the guardrails were known. */
  private readonly unjudged = new Map<string, Adjustment[]>();

  constructor(linkUrl: string) {
    this.link = new Link(linkUrl, "products", {
      version: (id) => this.rows.get(id)?.version ?? 0,
      onMessage: (message) => {
        if (message.type === "price_update") this.apply(message);
        else this.remove(message.product_id, message.version);
      },
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

  /** Set the names of the guardrails. Rows that were updated before they were known get their `boundBy` now. */
  knowGuardrails(names: ReadonlySet<string>): void {
    this.guardrails = names;
    for (const [id, adjustments] of this.unjudged) {
      const row = this.rows.get(id);
      if (!row) continue;
      row.boundBy = lastOf(adjustments, names);
      this.touch(row);
    }
    this.unjudged.clear();
  }

  /** An update from the live link. Older ones, and those known already, change nothing. */
  apply(update: PriceUpdate, now = Date.now()): void {
    const row = this.rows.get(update.product_id);
    if (row && row.version >= update.version) return;
    this.updates += 1;
    const bound = this.boundBy(update);
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
    move(row, update.new_price, update.demand, now);
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
      this.unjudged.clear();
      members = true;
    }
    for (const found of page.rows) {
      if (found[3] === null) {
        this.remove(found[0], found[6]);
        continue;
      }
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
        move(row, price, demand, now);
        row.source = source;
        row.version = version;
        row.updatedAt = updatedAt;
        row.boundBy = bound;
        this.unjudged.delete(row.id);
      }
      this.touch(row);
    }
    if (members) this.membership.set(this.membership.value + 1);
  }

  /** The product has no price any more, unless its row is newer. */
  private remove(id: string, version: number): void {
    const row = this.rows.get(id);
    if (!row || row.version >= version) return;
    this.rows.delete(id);
    this.unjudged.delete(id);
    this.membership.set(this.membership.value + 1);
    this.frame.touch();
  }

  /** The last guardrail that changed an update's price, if any. */
  private boundBy(update: PriceUpdate): string | null {
    if (this.guardrails) return lastOf(update.adjustments, this.guardrails);
    this.unjudged.set(update.product_id, update.adjustments);
    return null;
  }

  private add(found: BoardRow): void {
    this.rows.set(found[0], newRow(found));
    this.frame.touch();
  }

  private touch(row: Row): void {
    row.stamp += 1;
    this.frame.touch();
  }

  private async poll(): Promise<void> {
    clearTimeout(this.timer);
    let wait = CHANGES_EVERY_MS;
    try {
      for (;;) {
        const query = { since: this.token ?? undefined };
        const page = (await answer(api.GET("/board", { params: { query } }))) as BoardPage;
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

function lastOf(adjustments: Adjustment[], guardrails: ReadonlySet<string>): string | null {
  return adjustments.findLast((adjustment) => guardrails.has(adjustment.rule))?.rule ?? null;
}
