/** The head of a symbol's page: the price now, its change since the day began, and both averages. */

import { ArrowLeft } from "lucide-react";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { useLocation } from "wouter";
import { Frames } from "../../live/frames";
import type { Tick } from "../../live/messages";
import { ChangeText } from "../../prices/price";
import { Age, useNow } from "../../ui/clock";
import { microsOf } from "../micros";
import { MovingPrice } from "../moving-price";
import { formatPrice, formatVolume } from "../prices";
import { changeOf, dayStartOf, type MarketRow, markOf, newRow, takeTick } from "../store/row";
import { Mark } from "../symbols/columns";
import type { SymbolData } from "./load";
import type { TickFeed } from "./tick-feed";

interface Props {
  symbol: string;
  feed: TickFeed;
  /** Null until it is loaded. */
  data: SymbolData | null;
}

export function SymbolTitle({ symbol, feed, data }: Props) {
  const [, go] = useLocation();
  const latest = useLatest(symbol, feed, data);
  return (
    <header className="title">
      <button
        type="button"
        className="icon"
        aria-label="Back to the symbols"
        onClick={() => (history.length > 1 ? history.back() : go("/market"))}
      >
        <ArrowLeft size={18} aria-hidden="true" />
      </button>
      <h1>{symbol}</h1>
      <div className="spacer" />
      {latest ? <Headline latest={latest} /> : null}
    </header>
  );
}

interface Latest {
  row: MarketRow;
  ma1m: number | null;
  ma5m: number | null;
  vol1m: number | null;
}

function Headline({ latest: { row, ma1m, ma5m, vol1m } }: { latest: Latest }) {
  const now = useNow();
  return (
    <div className="headline numbers">
      <Mark text={markOf(row)} />
      <MovingPrice price={row.price} moved={row.moved} movedAt={row.movedAt} />
      <ChangeText change={changeOf(row)} />
      <span className="dim">
        1 m average {ma1m === null ? "—" : formatPrice(ma1m)} · 5 m average{" "}
        {ma5m === null ? "—" : formatPrice(ma5m)} · 1 m volume {vol1m === null ? "—" : formatVolume(vol1m)} ·{" "}
        <Age at={row.tsUs / 1000} now={now} />
      </span>
    </div>
  );
}

/** The latest tick of the symbol, drawn again once a frame at most; null until one is known. */
function useLatest(symbol: string, feed: TickFeed, data: SymbolData | null): Latest | null {
  const latest = useRef<Latest | null>(null);
  const frames = useRef(new Frames()).current;
  const taken = useRef<SymbolData | null>(null);
  if (data && data !== taken.current) {
    taken.current = data;
    latest.current = newerOf(latest.current, latestOf(data));
  }
  useEffect(() => {
    const take = (tick: Tick) => {
      if (tick.symbol !== symbol || !latest.current) return;
      const { row } = latest.current;
      takeTick(row, tick, Date.now());
      if (row.seq === tick.seq) {
        latest.current = { row, ma1m: tick.ma_1m, ma5m: tick.ma_5m, vol1m: tick.vol_1m };
      }
      frames.touch();
    };
    return feed.listen(take);
  }, [symbol, feed, frames]);
  useSyncExternalStore(frames.subscribe, () => frames.value);
  return latest.current;
}

/** A tick that came while data was loaded may be newer than the data. */
function newerOf(live: Latest | null, loaded: Latest): Latest {
  if (!live || loaded.row.tsUs > live.row.tsUs) return loaded;
  if (dayStartOf(live.row.tsUs) === dayStartOf(loaded.row.tsUs)) live.row.dayOpen = loaded.row.dayOpen;
  return live;
}

function latestOf({ latest, dayOpen, anomalies }: SymbolData): Latest {
  const row = newRow({ ...latest, change_percent: null });
  row.dayOpen = dayOpen;
  const [newest] = anomalies;
  if (newest) row.anomaly = { atUs: microsOf(newest.timestamp), text: newest.text };
  return { row, ma1m: latest.ma_1m, ma5m: latest.ma_5m, vol1m: latest.vol_1m };
}
