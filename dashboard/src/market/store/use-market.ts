/** The market store, as components get at it. One for the whole visit: going back to the list shows it at once. */

import { useEffect } from "react";
import { socketUrl } from "../../api/site";
import { shownLive } from "../../live/shown";
import { MarketStore } from "./market-store";

export const CONFLATE_MS = 100;

export const market = new MarketStore(socketUrl(`ws/ticks?subscribe=1&conflate_ms=${CONFLATE_MS}`));
// For measuring, and for a look from the browser's console.
Object.assign(window, { market });

/** Keep the store running while the page is shown. */
export function useRunningMarket(): void {
  useEffect(() => {
    market.start();
    shownLive.set(market);
    return () => {
      market.pause();
      shownLive.set(null);
    };
  }, []);
}
