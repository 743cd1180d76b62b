/** The symbols of the market, live. */

import { useRef } from "react";
import type { Loading } from "../live/price-store";
import { SearchField } from "../shell/search-field";
import { formatWhole } from "../ui/format";
import { useSignal } from "../ui/signal";
import { type Arranged, useOrder } from "../ui/use-order";
import { useView } from "../ui/use-view";
import { useAlertWatch } from "./alerts/use-alerts";
import { market, useRunningMarket } from "./store/use-market";
import { FirstRun } from "./symbols/first-run";
import { Rows } from "./symbols/rows";
import { arrange, moves, readView, type View, writeView } from "./symbols/view";
import "../ui/grid.css";
import "./market.css";

const ROWS: Arranged<View> = {
  membership: market.membership,
  arrange: (view) => arrange(market.rows, view),
  moves,
};

export default function Market() {
  useRunningMarket();
  useAlertWatch();
  const [view, setView] = useView("/market", readView, writeView);
  const pointedAt = useRef(Number.NEGATIVE_INFINITY);
  const symbols = useOrder(ROWS, view, pointedAt);
  const loading = useSignal(market.loading);
  return (
    <div
      className="board symbols"
      onPointerMove={() => {
        pointedAt.current = performance.now();
      }}
    >
      <h1 className="visually-hidden">Market: all symbols</h1>
      <Toolbar view={view} setView={setView} shown={symbols.length} />
      <Content loading={loading} symbols={symbols} view={view} setView={setView} />
    </div>
  );
}

interface ToolbarProps {
  view: View;
  setView: (change: Partial<View>) => void;
  shown: number;
}

function Toolbar({ view, setView, shown }: ToolbarProps) {
  const problem = useSignal(market.problem);
  const total = market.rows.size;
  return (
    <div className="toolbar">
      <SearchField
        label="Search symbols"
        placeholder="Search symbols"
        search={view.search}
        setSearch={(search) => setView({ search })}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={view.marked}
          onChange={(event) => setView({ marked: event.target.checked })}
        />
        Only anomalies
      </label>
      <span className="dim count" aria-live="off">
        {shown === total ? `${formatWhole(total)} symbols` : `${formatWhole(shown)} of ${formatWhole(total)}`}
      </span>
      {problem && total ? (
        <p className="error wide" role="alert">
          The list is not current ({problem.replace(/\.$/, "")}). Symbols on the screen are live as long as the
          badge at the top says so.
        </p>
      ) : null}
    </div>
  );
}

interface ContentProps {
  loading: Loading;
  symbols: string[];
  view: View;
  setView: (change: Partial<View>) => void;
}

function Content({ loading, symbols, view, setView }: ContentProps) {
  if (loading.kind === "failed") {
    return (
      <div className="empty" role="alert">
        <h2>Symbols cannot be loaded</h2>
        <p>{loading.error}</p>
        <p>The page goes on trying.</p>
      </div>
    );
  }
  if (loading.kind === "loading" && symbols.length === 0) {
    return (
      <p className="loading" role="status">
        Loading symbols…
      </p>
    );
  }
  if (market.rows.size === 0) return <FirstRun />;
  if (symbols.length === 0 && (view.search || view.marked)) {
    return (
      <div className="empty">
        <h2>No symbol fits</h2>
        <p>
          None of {formatWhole(market.rows.size)} symbols {view.search ? `has “${view.search}” in its name` : ""}
          {view.search && view.marked ? " and " : ""}
          {view.marked ? "shows an anomaly of the last 15 minutes" : ""}.
        </p>
        <button type="button" className="button" onClick={() => setView({ search: "", marked: false })}>
          Show all symbols
        </button>
      </div>
    );
  }
  return <Rows symbols={symbols} view={view} setView={setView} />;
}
