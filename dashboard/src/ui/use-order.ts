import { type RefObject, useDeferredValue, useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { Signal } from "./signal";

/** The shortest time between two orders of the rows: a list that never stands still cannot be read. */
const ARRANGE_EVERY_MS = 3_000;
const POINTED_MS = 2_500;

/** Rows that can be arranged. It must be the same object at each drawing. */
export interface Arranged<View> {
  /** Grows when rows come or go. */
  membership: Signal<number>;
  /** The ids that a view shows, in its order. */
  arrange(view: View): string[];
  /** True if rows of the view may change places, or come and go, as values move. */
  moves(view: View): boolean;
}

/** The ids in the order of the view: at once when the view changes, now and then as values move.
 * `pointedAt` is when the pointer last moved over the rows (`performance.now()`). */
export function useOrder<View>(rows: Arranged<View>, view: View, pointedAt: RefObject<number>): string[] {
  const wanted = useDeferredValue(view);
  const membership = useSyncExternalStore(rows.membership.subscribe, () => rows.membership.value);
  const [ids, setIds] = useState<string[]>(() => rows.arrange(view));
  const last = useRef({ at: 0, view: wanted, timer: 0 });
  useEffect(() => {
    const state = last.current;
    const run = () => {
      state.at = performance.now();
      state.view = wanted;
      setIds(rows.arrange(wanted));
    };
    clearTimeout(state.timer);
    // Many rows appear while a page loads: not each of them is worth a new order.
    if (state.view !== wanted) run();
    else state.timer = window.setTimeout(run, Math.max(0, state.at + 250 - performance.now()));
    // No row moves away from a pointer that is about to click.
    const unlessPointed = () => performance.now() - pointedAt.current > POINTED_MS && run();
    const moving = rows.moves(wanted) ? setInterval(unlessPointed, ARRANGE_EVERY_MS) : undefined;
    return () => {
      clearInterval(moving);
      clearTimeout(state.timer);
    };
  }, [rows, wanted, membership, pointedAt]);
  return ids;
}
