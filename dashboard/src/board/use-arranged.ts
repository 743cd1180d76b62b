import { type RefObject, useMemo } from "react";
import { usePrices } from "../prices/store";
import { type Arranged, useOrder } from "../ui/use-order";
import { arrange, moves, type View } from "./view";

/** The ids of the board's rows in the order of the view, as `useOrder` keeps it. */
export function useArranged(view: View, pointedAt: RefObject<number>): string[] {
  const prices = usePrices();
  const rows = useMemo<Arranged<View>>(
    () => ({ membership: prices.membership, arrange: (wanted) => arrange(prices.rows, wanted), moves }),
    [prices],
  );
  return useOrder(rows, view, pointedAt);
}
