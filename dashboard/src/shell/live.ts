/** The live updates of the page that is shown. */

import { type Live, shownLive } from "../live/shown";
import { usePrices } from "../prices/store";
import { useSignal } from "../ui/signal";

/** The page's own source, or the price store. */
export function useLive(): Live {
  const prices = usePrices();
  return useSignal(shownLive) ?? prices;
}
