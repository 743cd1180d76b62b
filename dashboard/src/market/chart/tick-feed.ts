/** Every tick of the symbols of a chart, none conflated. The last ones are kept, for the data that is loaded later. */

import { Link } from "../../live/link";
import type { Tick } from "../../live/messages";
import { Signal } from "../../ui/signal";

/** The oldest ticks go when there are more of a symbol. */
export const KEPT_MAX = 20_000;

export class TickFeed {
  readonly link: Link<Tick>;
  /** Grows when ticks may have been missed: the data of the chart is to be loaded again. */
  readonly missed = new Signal(0);
  private readonly kept = new Map<string, Tick[]>();
  private readonly listeners = new Set<(tick: Tick) => void>();

  constructor(linkUrl: string) {
    this.link = new Link<Tick>(linkUrl, "symbols", {
      version: (symbol) => this.kept.get(symbol)?.at(-1)?.seq ?? 0,
      onMessage: (tick) => this.receive(tick),
      onMissed: () => this.missed.set(this.missed.value + 1),
    });
  }

  /** From now on these symbols, and no others. Forgets the ticks of all others. */
  watch(symbols: string[]): void {
    for (const symbol of this.kept.keys()) if (!symbols.includes(symbol)) this.kept.delete(symbol);
    for (const symbol of symbols) if (!this.kept.has(symbol)) this.kept.set(symbol, []);
    this.link.watch(symbols);
  }

  /** The ticks of a symbol that came, in the order of their numbers. */
  ticksOf(symbol: string): Tick[] {
    return this.kept.get(symbol) ?? [];
  }

  listen(listener: (tick: Tick) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    this.link.start();
  }

  pause(): void {
    this.link.pause();
  }

  resume(): void {
    this.link.resume();
    this.missed.set(this.missed.value + 1);
  }

  private receive(tick: Tick): void {
    const ticks = this.kept.get(tick.symbol);
    // The current tick comes again with each new connection.
    if (!ticks || tick.seq <= (ticks.at(-1)?.seq ?? 0)) return;
    ticks.push(tick);
    if (ticks.length > KEPT_MAX) ticks.splice(0, KEPT_MAX / 10);
    for (const listener of this.listeners) listener(tick);
  }
}
