/** The state of the page's live link, in words, with "retry now" while it is cut. */

import { useNow } from "../ui/clock";
import { formatAge } from "../ui/format";
import { useSignal } from "../ui/signal";
import { useLive } from "./live";

export function LinkBadge() {
  const { link } = useLive();
  const state = useSignal(link.state);
  const now = useNow();
  switch (state.kind) {
    case "live":
      return state.kafka ? (
        <span className="badge live">Live</span>
      ) : (
        <span className="badge cut">Kafka is down</span>
      );
    case "connecting":
      return <span className="badge">Connecting…</span>;
    case "paused":
      return <span className="badge paused">Paused {formatAge(now - state.sinceMs)}</span>;
    case "waiting":
      return (
        <span className="badge cut">
          Cut: again in {Math.max(0, Math.ceil((state.retryAtMs - now) / 1000))} s
          <button type="button" className="link" onClick={() => link.retryNow()}>
            Retry now
          </button>
        </span>
      );
  }
}
