import { type RefObject, useDeferredValue, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { usePrices } from "../prices/store";
import { arrange, moves, type View } from "./view";

/** The shortest time between two orders of the rows: a list that never stands still cannot be read. */
const ARRANGE_EVERY_MS = 3_000;
const POINTED_MS = 2_500;

/** The ids in the order of the view: at once when the view changes, now and then as prices move.
 * `pointedAt` is when the pointer last moved over the board (`performance.now()`). */
export function useArranged(view: View, pointedAt: RefObject<number>): string[] {
  const prices = usePrices();
  const wanted = useDeferredValue(view);
  const membership = useSyncExternalStore(prices.membership.subscribe, () => prices.membership.value);
  const [ids, setIds] = useState<string[]>(() => arrange(prices.rows, view));
  const last = useRef({ at: 0, view: wanted, timer: 0 });
  useEffect(() => {
    const state = last.current;
    const run = () => {
      state.at = performance.now();
      state.view = wanted;
      setIds(arrange(prices.rows, wanted));
    };
    clearTimeout(state.timer);
    // Many products appear while a page loads: not each of them is worth a new order.
    if (state.view !== wanted) run();
    else state.timer = window.setTimeout(run, Math.max(0, state.at + 250 - performance.now()));
    // No row moves away from a pointer that is about to click.
    const unlessPointed = () => performance.now() - pointedAt.current > POINTED_MS && run();
    const moving = moves(wanted) ? setInterval(unlessPointed, ARRANGE_EVERY_MS) : undefined;
    return () => {
      clearInterval(moving);
      clearTimeout(state.timer);
    };
  }, [prices, wanted, membership, pointedAt]);
  return ids;
}
