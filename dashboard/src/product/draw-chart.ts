/** Draws the chart of a product. `price-chart.tsx` loads it with the chart library. */

import {
  AreaSeries,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  LineSeries,
  LineStyle,
  LineType,
  type UTCTimestamp,
} from "lightweight-charts";
import type { PastOverride } from "../api/types";
import type { Money } from "../prices/money";
import { type Colors, emptyChart, themeColors } from "../ui/chart-look";
import { formatNumber } from "../ui/format";
import { bySecond, type ChartPoint, type Overlay, overlayOf, type SignalPoint, spansOf } from "./chart-points";

/** The last point of a second, with the second. */
type TimedPoint = [UTCTimestamp, ChartPoint];

export interface Drawn {
  points: ChartPoint[];
  overrides: PastOverride[];
  /** Drawn over the price, those of `overlays`. */
  signals: SignalPoint[];
  overlays: Overlay[];
}

/** A chart in `host`: price, demand below it on the same time axis, overrides as markers and shaded spans, overlays.
 * `onPoint` gets the point under the pointer, undefined for none. */
export function drawChart(
  host: HTMLElement,
  { points, overrides, signals, overlays }: Drawn,
  money: Money,
  onPoint: (point: ChartPoint | undefined) => void,
): IChartApi {
  const color = themeColors();
  const seconds = bySecond(points);
  const timed = [...seconds] as TimedPoint[];
  const chart = emptyChart(host, color, { attributionLogo: false, rightOffset: 4 });
  addShade(chart, color, timed, overrides);
  addPrice(chart, color, timed, money);
  addDemand(chart, color, timed);
  const end = timed.at(-1)?.[0] ?? 0;
  for (const overlay of overlays) addOverlay(chart, color, overlay, overlayOf(signals, overlay, end));
  chart.timeScale().fitContent();
  chart.subscribeCrosshairMove(({ time }) => onPoint(time === undefined ? undefined : seconds.get(time as number)));
  return chart;
}

function addShade(chart: IChartApi, color: Colors, timed: TimedPoint[], overrides: PastOverride[]): void {
  const times = timed.map(([time]) => time);
  const spans = spansOf(overrides, times);
  const shade = chart.addSeries(AreaSeries, {
    priceScaleId: "",
    lineVisible: false,
    topColor: color("--override-shade"),
    bottomColor: color("--override-shade"),
    lastValueVisible: false,
    priceLineVisible: false,
    crosshairMarkerVisible: false,
    lineType: LineType.WithSteps,
  });
  shade.priceScale().applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
  shade.setData(times.map((time) => (spans.has(time) ? { time, value: 1 } : { time })));
}

function addPrice(chart: IChartApi, color: Colors, timed: TimedPoint[], money: Money): void {
  const price = chart.addSeries(LineSeries, {
    color: color("--accent"),
    lineWidth: 2,
    lineType: LineType.WithSteps,
    priceFormat: { type: "custom", formatter: money.format, minMove: 1 / money.scale },
  });
  price.setData(timed.map(([time, point]) => ({ time, value: point[1] })));
  createSeriesMarkers(
    price,
    timed
      .filter(([, point], index, all) => point[3] === "override" && all[index - 1]?.[1][3] !== "override")
      .map(([time]) => ({
        time,
        position: "aboveBar" as const,
        shape: "arrowDown" as const,
        color: color("--down"),
        text: "override",
      })),
  );
}

/** The competitor is on the axis of the price; the stock has a scale of its own, without an axis. */
function addOverlay(
  chart: IChartApi,
  color: Colors,
  overlay: Overlay,
  points: { time: number; value: number }[],
): void {
  const isStock = overlay === "stock";
  const series = chart.addSeries(LineSeries, {
    color: color(isStock ? "--stock" : "--competitor"),
    lineWidth: 1,
    lineStyle: isStock ? LineStyle.Dotted : LineStyle.Dashed,
    lineType: LineType.WithSteps,
    priceLineVisible: false,
    lastValueVisible: false,
    crosshairMarkerVisible: false,
    ...(isStock ? { priceScaleId: "stock" } : {}),
  });
  series.setData(points as { time: UTCTimestamp; value: number }[]);
}

function addDemand(chart: IChartApi, color: Colors, timed: TimedPoint[]): void {
  const demand = chart.addSeries(
    HistogramSeries,
    { color: color("--demand"), priceFormat: { type: "custom", formatter: formatNumber, minMove: 0.1 } },
    1,
  );
  demand.setData(timed.map(([time, point]) => ({ time, value: point[2] })));
  chart.panes()[1]?.setHeight(90);
}
