/** The lines of the symbols: only those on the screen are drawn, and subscribed to. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useLocation } from "wouter";
import { density } from "../../shell/preferences";
import { useCursorKeys } from "../../shell/use-cursor-keys";
import { useNow } from "../../ui/clock";
import { usePhone } from "../../ui/phone";
import { useSignal } from "../../ui/signal";
import { addressOf } from "../address";
import { market } from "../store/use-market";
import { Head } from "./head";
import { Line } from "./line";
import type { View } from "./view";

/** Longer than a frame of scrolling: symbols that fly by are not subscribed to. */
const WATCH_AFTER_MS = 80;

interface Props {
  symbols: string[];
  view: View;
  setView: (change: Partial<View>) => void;
}

export function Rows({ symbols, view, setView }: Props) {
  const [, go] = useLocation();
  const scroller = useRef<HTMLDivElement>(null);
  const height = useLineHeight();
  const now = useNow();
  const virtual = useVirtualizer({
    count: symbols.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 4,
    getItemKey: (index) => symbols[index] ?? index,
  });
  useEffect(() => virtual.measure(), [height]);
  // The cursor is a symbol, not a position: rows move under it.
  const [chosen, setChosen] = useState<string | null>(null);
  const cursor = useMemo(() => (chosen === null ? -1 : symbols.indexOf(chosen)), [symbols, chosen]);
  const moveTo = useCallback(
    (index: number) => {
      setChosen(symbols[index] ?? null);
      virtual.scrollToIndex(index);
    },
    [symbols, virtual],
  );
  const onOpen = useCallback((symbol: string) => go(addressOf(symbol)), [go]);
  useCursorKeys(symbols, { at: cursor, moveTo }, onOpen);
  const items = virtual.getVirtualItems();
  useWatched(items.map((item) => symbols[item.index] ?? "").filter(Boolean));

  return (
    <>
      <div className="grid" role="table" aria-label="Symbols" aria-rowcount={symbols.length + 1}>
        <Head view={view} setView={setView} />
        <div className="rows" role="rowgroup" ref={scroller} tabIndex={0} aria-label="Symbols, scrolling">
          <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
            {items.map((item) => {
              const row = market.rows.get(symbols[item.index] ?? "");
              if (!row) return null;
              return (
                <Line
                  key={row.symbol}
                  row={row}
                  index={item.index}
                  top={item.start}
                  height={height}
                  current={item.index === cursor}
                  now={now}
                  stamp={row.stamp}
                  onOpen={onOpen}
                />
              );
            })}
          </div>
        </div>
      </div>
      <p className="visually-hidden" aria-live="polite">
        {chosen}
      </p>
    </>
  );
}

/** The height of a line in pixels. */
function useLineHeight(): number {
  const phone = usePhone();
  const compact = useSignal(density) === "compact";
  return phone ? 64 : compact ? 32 : 42;
}

/** Live ticks of these symbols and of no others; drawn again once a frame at most. */
function useWatched(symbols: string[]): void {
  useSyncExternalStore(market.frame.subscribe, () => market.frame.value);
  const key = symbols.join(",");
  useEffect(() => {
    const timer = setTimeout(() => market.watch(symbols), WATCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [key]);
}
