import { type RefObject, useEffect } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { shortcut } from "../../shell/keys";
import type { ChartHandle } from "./chart";
import { RANGES } from "./ranges";
import type { ChartView } from "./view";

const ZOOM = 1.4;

/** The shortcuts of a chart: crosshair, zoom, style and range. */
export function useChartKeys(
  chart: RefObject<ChartHandle | null>,
  view: ChartView,
  setView: (change: Partial<ChartView>) => void,
): void {
  const [, go] = useLocation();
  useEffect(() => {
    const zoomIn = shortcut(() => chart.current?.zoom(ZOOM));
    const zoomOut = shortcut(() => chart.current?.zoom(1 / ZOOM));
    return tinykeys(window, {
      ArrowLeft: shortcut(() => chart.current?.move(-1)),
      ArrowRight: shortcut(() => chart.current?.move(1)),
      "+": zoomIn,
      "Shift++": zoomIn,
      "=": zoomIn,
      "-": zoomOut,
      c: shortcut(() => setView({ style: view.style === "candles" ? "line" : "candles" })),
      Escape: shortcut(() => go("/market")),
      ...Object.fromEntries(RANGES.map((range, index) => [`${index + 1}`, shortcut(() => setView({ range }))])),
    });
  }, [chart, view, setView, go]);
}
