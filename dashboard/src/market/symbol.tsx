/** The page of one symbol: its price, its chart and its anomalies, live. */

import { useCallback, useMemo, useRef } from "react";
import { useLocation, useSearch } from "wouter";
import { ApiError } from "../api/client";
import { addressOf } from "./address";
import { useAlertWatch } from "./alerts/use-alerts";
import { Anomalies } from "./chart/anomalies";
import { ChartCard } from "./chart/chart-card";
import type { ChartHandle } from "./chart/chart";
import { SymbolTitle } from "./chart/title";
import { useChartData, useTickFeed } from "./chart/use-chart-data";
import { useChartKeys } from "./chart/use-chart-keys";
import { type ChartView, readChartView, writeChartView } from "./chart/view";
import "./market.css";

export default function SymbolPage({ symbol }: { symbol: string }) {
  useAlertWatch();
  const [view, setView] = useView(symbol);
  const feed = useTickFeed(view.other ? [symbol, view.other] : [symbol]);
  const { model, error, isPending } = useChartData(feed, symbol, view.range, view.other);
  const chart = useRef<ChartHandle>(null);
  useChartKeys(chart, view, setView);
  const missing = error instanceof ApiError && error.status === 404 && view.other === null;
  return (
    <div className="page symbol-page">
      <SymbolTitle symbol={symbol} feed={feed} data={model?.data.main ?? null} />
      {missing ? (
        <div className="empty">
          <h2>There is no tick of this symbol</h2>
          <p>No tick has named “{symbol}” yet.</p>
        </div>
      ) : (
        <>
          <ChartCard
            symbol={symbol}
            view={view}
            setView={setView}
            model={model}
            error={error}
            isPending={isPending}
            chart={chart}
          />
          {model ? <Anomalies model={model} /> : null}
        </>
      )}
    </div>
  );
}

/** The view in the address, and a function that changes parts of it. */
function useView(symbol: string): [ChartView, (change: Partial<ChartView>) => void] {
  const search = useSearch();
  const [, go] = useLocation();
  const view = useMemo(() => readChartView(search, symbol), [search, symbol]);
  const setView = useCallback(
    (change: Partial<ChartView>) => {
      const text = writeChartView({ ...view, ...change });
      go(text ? `${addressOf(symbol)}?${text}` : addressOf(symbol), { replace: true });
    },
    [symbol, view, go],
  );
  return [view, setView];
}
