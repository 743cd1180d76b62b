/** The board: all products, live. */

import { useCallback, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { Freeze } from "../api/types";
import type { Loading } from "../live/price-store";
import { useStatus } from "../prices/status";
import { usePrices } from "../prices/store";
import { formatWhole } from "../ui/format";
import { useSignal } from "../ui/signal";
import { useView } from "../ui/use-view";
import { FirstRun } from "./first-run";
import { Rows } from "./rows";
import { Toolbar } from "./toolbar";
import { useArranged } from "./use-arranged";
import { readView, writeView } from "./view";
import "../ui/grid.css";
import "./board.css";

const NO_FREEZES: Freeze[] = [];

export function Board() {
  const prices = usePrices();
  const [view, setView] = useView("/", readView, writeView);
  const pointedAt = useRef(Number.NEGATIVE_INFINITY);
  const ids = useArranged(view, pointedAt);
  const loading = useSignal(prices.loading);
  const { data: status } = useStatus();
  const [selected, toggle, clear] = useSelection();
  const total = prices.rows.size;

  return (
    <div
      className="board products"
      onPointerMove={() => {
        pointedAt.current = performance.now();
      }}
    >
      <h1 className="visually-hidden">Board: all products</h1>
      <Toolbar view={view} setView={setView} shown={ids.length} total={total} selected={selected} clear={clear} />
      <Progress loading={loading} />
      {loading.kind === "failed" ? (
        <div className="empty" role="alert">
          <h2>Prices cannot be loaded</h2>
          <p>{loading.error} The page goes on trying.</p>
        </div>
      ) : total === 0 && loading.kind === "ready" ? (
        <FirstRun events={status?.flow?.events ?? 0} />
      ) : ids.length === 0 && loading.kind === "ready" ? (
        <NothingFits total={total} />
      ) : (
        <Rows
          ids={ids}
          view={view}
          setView={setView}
          freezes={status?.freezes ?? NO_FREEZES}
          selected={selected}
          toggle={toggle}
        />
      )}
    </div>
  );
}

/** The ids of the selected rows, and functions that turn one around and that clear all. */
function useSelection(): [ReadonlySet<string>, (id: string) => void, () => void] {
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback((id: string) => {
    setSelected((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  }, []);
  return [selected, toggle, () => setSelected(new Set())];
}

function Progress({ loading }: { loading: Loading }) {
  if (loading.kind !== "loading") return null;
  return (
    <p className="loading" role="status">
      Loading products: {formatWhole(loading.loaded)}
      {loading.total ? ` of ${formatWhole(loading.total)}` : ""}{" "}
      <progress
        max={loading.total || undefined}
        value={loading.total ? loading.loaded : undefined}
        aria-label="Products loaded"
      />
    </p>
  );
}

function NothingFits({ total }: { total: number }) {
  const [, go] = useLocation();
  return (
    <div className="empty">
      <h2>No product fits</h2>
      <p>None of {formatWhole(total)} products has this name, category, source or watchlist.</p>
      <button type="button" className="button" onClick={() => go("/")}>
        Show all products
      </button>
    </div>
  );
}
