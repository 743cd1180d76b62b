/** The source of live updates that the page shows. The badge and the pause button belong to it. */

import { Signal } from "../ui/signal";
import type { LinkState } from "./link";

export interface Live {
  readonly link: { readonly state: Signal<LinkState>; retryNow(): void };
  pause(): void;
  resume(): void;
}

/** Null on the pages of the shop: they show the price store. */
export const shownLive = new Signal<Live | null>(null);
