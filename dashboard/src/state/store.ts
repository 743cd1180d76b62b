/** What the pages share: the prices, and what the system says of itself. */

import { useQuery } from "@tanstack/react-query";
import { createContext, use, useSyncExternalStore } from "react";
import { type Freeze, get, type Status } from "../api";
import { setCurrency } from "../lib/format";
import type { PriceStore, Row } from "./prices";
import { session } from "./session";
import { useSignal } from "./signal";

export const Prices = createContext<PriceStore | null>(null);

export function usePrices(): PriceStore {
  const store = use(Prices);
  if (!store) throw new Error("there is no price store");
  return store;
}

const STATUS_EVERY_MS = 2_000;

export function useStatus() {
  const answer = useQuery({
    queryKey: ["status"],
    queryFn: async () => {
      const status = await get<Status>("/status");
      setCurrency(status.policy.currency);
      return status;
    },
    refetchInterval: STATUS_EVERY_MS,
    refetchIntervalInBackground: true,
    retry: false,
  });
  return answer;
}

/** A product's row, drawn again when it changes. */
export function useRow(id: string): Row | undefined {
  const prices = usePrices();
  useSyncExternalStore(prices.frame.subscribe, () => prices.rows.get(id)?.stamp ?? 0);
  return prices.rows.get(id);
}

/** The freeze that holds a product, the narrowest first. */
export function freezeOf(freezes: Freeze[], id: string, category: string): Freeze | undefined {
  const by = (scope: string) => freezes.find((freeze) => freeze.scope === scope);
  return by(`product:${id}`) ?? by(`category:${category}`) ?? by("all");
}

export const useKeyState = () => useSignal(session.state);

export function scopeText(scope: string, nameOf?: (id: string) => string | undefined): string {
  if (scope === "all") return "all prices";
  const [kind, ...rest] = scope.split(":");
  const name = rest.join(":");
  return kind === "category" ? `category “${name}”` : (nameOf?.(name) ?? name);
}
