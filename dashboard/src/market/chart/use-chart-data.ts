/** The data of a chart, loaded and then live. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { socketUrl } from "../../api/site";
import { shownLive } from "../../live/shown";
import { useSignal } from "../../ui/signal";
import { loadChart } from "./load";
import { ChartModel } from "./model";
import type { Range } from "./ranges";
import { TickFeed } from "./tick-feed";

/** Bars of the server take the place of those that grew here: they are final after the lateness. */
const RELOAD_EVERY_MS = 20_000;

/** The feed of a page, running while it is shown. */
export function useTickFeed(symbols: string[]): TickFeed {
  const [feed] = useState(() => new TickFeed(socketUrl("ws/ticks?subscribe=1")));
  const key = symbols.join(" ");
  useEffect(() => {
    feed.start();
    shownLive.set(feed);
    return () => {
      feed.pause();
      shownLive.set(null);
    };
  }, [feed]);
  useEffect(() => feed.watch(key.split(" ")), [feed, key]);
  return feed;
}

/** `model` is null until the first answer. It is another object after each loading. */
export function useChartData(feed: TickFeed, symbol: string, range: Range, other: string | null) {
  const missed = useSignal(feed.missed);
  const paused = useSignal(feed.link.state).kind === "paused";
  const loaded = useQuery({
    queryKey: ["market-chart", symbol, range, other, missed],
    queryFn: () => loadChart(symbol, range, other),
    placeholderData: (before) =>
      before?.main.symbol === symbol && before.range === range && before.other?.symbol === (other ?? undefined)
        ? before
        : undefined,
    refetchInterval: paused ? false : RELOAD_EVERY_MS,
    refetchOnWindowFocus: false,
    // Thousands of ticks: comparing them costs more than drawing.
    structuralSharing: false,
    gcTime: 10_000,
    retry: false,
  });
  const { data } = loaded;
  const model = useMemo(() => data && new ChartModel(data, (name) => feed.ticksOf(name)), [data, feed]);
  useEffect(() => model && feed.listen((tick) => model.add(tick)), [model, feed]);
  return { model: model ?? null, error: loaded.error, isPending: loaded.isPending };
}
