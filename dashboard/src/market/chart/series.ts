/** The series of a chart: candles or a line with two averages and volumes, or two lines in per cent. */

import {
  CandlestickSeries,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { formatPercent } from "../../ui/format";
import { decimalsOf, formatAxis, formatVolume } from "../prices";
import type { Bar } from "../types";
import type { AveragePoint } from "./averages";
import type { Colors } from "../../ui/chart-look";
import type { ChartModel, SymbolModel } from "./model";

export type Style = "candles" | "line";

/** A series with the way to fill it and to change one of its points. */
export interface Filled {
  series: ISeriesApi<"Candlestick" | "Line" | "Histogram">;
  fill(model: ChartModel): void;
  /** `start` (s) is that of the newest point, or of a new one. */
  change(model: ChartModel, start: number): void;
}

const VOLUME_HEIGHT = 80;
const LABELLED_MARKERS_MAX = 12;
const at = (start: number) => start as UTCTimestamp;

export function addSeries(chart: IChartApi, color: Colors, model: ChartModel, style: Style): Filled[] {
  const price = model.other
    ? [
        percentLine(
          chart,
          color("--accent"),
          () => model.main.symbol,
          (each) => each.main,
        ),
        percentLine(
          chart,
          color("--frozen"),
          () => model.other?.symbol ?? "",
          (each) => each.other ?? each.main,
        ),
      ]
    : [
        style === "candles" ? candles(chart, color, model) : closes(chart, color, model),
        average(chart, color("--accent"), model, "short"),
        average(chart, color("--frozen"), model, "long"),
      ];
  const all = [...price, volumes(chart, color)];
  chart.panes()[1]?.setHeight(VOLUME_HEIGHT);
  return all;
}

function priceFormat(model: ChartModel) {
  const decimals = decimalsOf(model.main.bars.last?.close ?? 1);
  return { type: "custom" as const, formatter: formatAxis(decimals), minMove: 10 ** -decimals };
}

function candles(chart: IChartApi, color: Colors, model: ChartModel): Filled {
  const [up, down] = [color("--up"), color("--down")];
  const series = chart.addSeries(CandlestickSeries, {
    upColor: up,
    downColor: down,
    borderUpColor: up,
    borderDownColor: down,
    wickUpColor: up,
    wickDownColor: down,
    priceFormat: priceFormat(model),
  });
  const point = ({ start, open, high, low, close }: Bar) => ({ time: at(start), open, high, low, close });
  return {
    series,
    fill: ({ main }) => series.setData(main.bars.list.map(point)),
    change: ({ main }, start) => {
      const bar = main.bars.at(start);
      if (bar) series.update(point(bar));
    },
  };
}

function closes(chart: IChartApi, color: Colors, model: ChartModel): Filled {
  const series = chart.addSeries(LineSeries, {
    color: color("--ink"),
    lineWidth: 2,
    priceFormat: priceFormat(model),
  });
  const point = ({ start, close }: Bar) => ({ time: at(start), value: close });
  return {
    series,
    fill: ({ main }) => series.setData(main.bars.list.map(point)),
    change: ({ main }, start) => {
      const bar = main.bars.at(start);
      if (bar) series.update(point(bar));
    },
  };
}

function average(chart: IChartApi, lineColor: string, model: ChartModel, which: "short" | "long"): Filled {
  const series = chart.addSeries(LineSeries, {
    color: lineColor,
    lineWidth: 1,
    lastValueVisible: false,
    priceLineVisible: false,
    crosshairMarkerVisible: false,
    priceFormat: priceFormat(model),
  });
  const point = (average: AveragePoint) => {
    const value = average[which];
    return value === null ? { time: at(average.start) } : { time: at(average.start), value };
  };
  return {
    series,
    fill: ({ main }) => series.setData(main.averagePoints().map(point)),
    change: ({ main }, start) => series.update(point(main.averageAt(start))),
  };
}

function volumes(chart: IChartApi, color: Colors): Filled {
  const format = { type: "custom" as const, formatter: formatVolume, minMove: 1e-8 };
  const series = chart.addSeries(
    HistogramSeries,
    { priceFormat: format, priceLineVisible: false, lastValueVisible: false },
    1,
  );
  const [up, down] = [`${color("--up")}80`, `${color("--down")}80`];
  const point = ({ start, open, close, volume }: Bar) => ({
    time: at(start),
    value: volume,
    color: close < open ? down : up,
  });
  const shown = (model: ChartModel) =>
    model.other
      ? model.main.bars.list.filter((bar) => model.base !== null && bar.start >= model.base)
      : model.main.bars.list;
  return {
    series,
    fill: (model) => series.setData(shown(model).map(point)),
    change: ({ main }, start) => {
      const bar = main.bars.at(start);
      if (bar) series.update(point(bar));
    },
  };
}

function percentLine(
  chart: IChartApi,
  lineColor: string,
  title: () => string,
  of: (model: ChartModel) => SymbolModel,
): Filled {
  const series = chart.addSeries(LineSeries, {
    color: lineColor,
    lineWidth: 2,
    title: title(),
    priceFormat: { type: "custom", formatter: formatPercent, minMove: 0.01 },
  });
  const point = ({ start, percent }: { start: number; percent: number }) => ({ time: at(start), value: percent });
  return {
    series,
    fill: (model) => series.setData(model.percents(of(model)).map(point)),
    change: (model, start) => {
      const last = model.percents(of(model)).at(-1);
      if (last?.start === start) series.update(point(last));
    },
  };
}

/** The markers of anomalies; their kinds are named while there are few. */
export function markersOf(model: ChartModel, color: Colors): SeriesMarker<Time>[] {
  const shown = model.main.anomalies.filter(({ atUs }) => {
    const start = model.main.bars.startOf(atUs);
    return model.main.bars.at(start) && (!model.other || (model.base !== null && start >= model.base));
  });
  return shown.map(({ atUs, kind }) => ({
    time: at(model.main.bars.startOf(atUs)),
    position: "aboveBar",
    shape: "arrowDown",
    color: color("--warn"),
    text: shown.length <= LABELLED_MARKERS_MAX ? kind.replaceAll("_", " ") : "",
  }));
}

export const addMarkers = (series: Filled["series"]) => createSeriesMarkers<Time>(series, []);
