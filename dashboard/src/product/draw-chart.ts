/** Draws the chart of a product. Only this file and `price-chart.tsx` import the chart library. */

import {
  AreaSeries,
  ColorType,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  LineSeries,
  LineType,
  TickMarkType,
  type UTCTimestamp,
} from "lightweight-charts";
import type { PastOverride } from "../api/types";
import type { Money } from "../prices/money";
import { type TickUnit, tickText } from "../ui/chart-ticks";
import { formatNumber, formatTime } from "../ui/format";
import { bySecond, type ChartPoint, spansOf } from "./chart-points";

/** A colour of the theme by its name, such as `--card`. */
type Colors = (name: string) => string;

/** The last point of a second, with the second. */
type TimedPoint = [UTCTimestamp, ChartPoint];

/** A chart in `host`: price, demand below it on the same time axis, overrides as markers and shaded spans.
 * `onPoint` gets the point under the pointer, undefined for none. */
export function drawChart(
  host: HTMLElement,
  points: ChartPoint[],
  overrides: PastOverride[],
  money: Money,
  onPoint: (point: ChartPoint | undefined) => void,
): IChartApi {
  const style = getComputedStyle(document.documentElement);
  const color: Colors = (name) => style.getPropertyValue(name).trim();
  const seconds = bySecond(points);
  const timed = [...seconds] as TimedPoint[];
  const chart = emptyChart(host, color, style.fontFamily);
  addShade(chart, color, timed, overrides);
  addPrice(chart, color, timed, money);
  addDemand(chart, color, timed);
  chart.timeScale().fitContent();
  chart.subscribeCrosshairMove(({ time }) => onPoint(time === undefined ? undefined : seconds.get(time as number)));
  return chart;
}

function emptyChart(host: HTMLElement, color: Colors, fontFamily: string): IChartApi {
  return createChart(host, {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: color("--card") },
      textColor: color("--dim"),
      fontFamily,
      attributionLogo: false,
      panes: { separatorColor: color("--line"), enableResize: false },
    },
    grid: { vertLines: { color: color("--line") }, horzLines: { color: color("--line") } },
    timeScale: {
      timeVisible: true,
      secondsVisible: true,
      rightOffset: 4,
      borderColor: color("--line"),
      tickMarkFormatter: (time: number, kind: TickMarkType) => tickText(time * 1000, UNITS[kind]),
    },
    rightPriceScale: { borderColor: color("--line") },
    localization: { timeFormatter: (time: number) => formatTime(time * 1000) },
  });
}

const UNITS: Record<TickMarkType, TickUnit> = {
  [TickMarkType.Year]: "month",
  [TickMarkType.Month]: "month",
  [TickMarkType.DayOfMonth]: "day",
  [TickMarkType.Time]: "minute",
  [TickMarkType.TimeWithSeconds]: "second",
};

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

function addDemand(chart: IChartApi, color: Colors, timed: TimedPoint[]): void {
  const demand = chart.addSeries(
    HistogramSeries,
    { color: color("--demand"), priceFormat: { type: "custom", formatter: formatNumber, minMove: 0.1 } },
    1,
  );
  demand.setData(timed.map(([time, point]) => ({ time, value: point[2] })));
  chart.panes()[1]?.setHeight(90);
}
