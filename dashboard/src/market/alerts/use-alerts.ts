/** The market's alerts, and which of them were read in this browser. */

import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { readAlerts } from "../../shell/preferences";
import { unreadAlerts } from "../../shell/unread";
import { useSignal } from "../../ui/signal";
import { alertsOf } from "../requests";
import { unreadOf } from "./read";

export const ALERTS_SHOWN = 200;
/** On the page of alerts. */
const INBOX_EVERY_MS = 4_000;
/** On other pages, for the number beside the link. */
const WATCH_EVERY_MS = 15_000;

/** The newest alerts, of one symbol or of all. */
export function useAlerts(symbol: string | undefined, everyMs = INBOX_EVERY_MS) {
  return useQuery({
    queryKey: ["market-alerts", symbol ?? ""],
    queryFn: () => alertsOf({ symbol, limit: ALERTS_SHOWN }),
    refetchInterval: everyMs,
    placeholderData: (before) => before,
    retry: false,
  });
}

/** Keep the number of unread alerts current. */
export function useAlertWatch(everyMs = WATCH_EVERY_MS): void {
  const { data } = useAlerts(undefined, everyMs);
  const read = useSignal(readAlerts);
  useEffect(() => {
    if (data) unreadAlerts.set(unreadOf(data, read).length);
  }, [data, read]);
}
