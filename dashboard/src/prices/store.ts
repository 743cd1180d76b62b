/** The price store, as components get at it. */

import { createContext, use, useSyncExternalStore } from "react";
import type { PriceStore } from "../live/price-store";
import type { Row } from "../live/row";

export const Prices = createContext<PriceStore | null>(null);

export function usePrices(): PriceStore {
  const store = use(Prices);
  if (!store) throw new Error("there is no price store");
  return store;
}

/** A product's row, drawn again when it changes. */
export function useRow(id: string): Row | undefined {
  const prices = usePrices();
  useSyncExternalStore(prices.frame.subscribe, () => prices.rows.get(id)?.stamp ?? 0);
  return prices.rows.get(id);
}
