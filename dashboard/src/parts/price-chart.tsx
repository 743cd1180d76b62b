/** Price, demand below it on the same time axis, overrides as markers and shaded spans. */

import {
  AreaSeries,
  ColorType,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  LineSeries,
  LineType,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useImperativeHandle, useRef, useState } from "react";
import type { ChartPoint, PastOverride } from "../api";
import { formatMoney, formatNumber, formatTime, formatUtc } from "../lib/format";

export interface ChartHandle {
  image(): Promise<Blob | null>;
}

interface Props {
  points: ChartPoint[];
  overrides: PastOverride[];
  /** Changes when colours do. */
  theme: string;
  ref?: React.Ref<ChartHandle>;
}

interface Readout {
  time: number;
  price: number;
  demand: number;
  source: string;
}

/** One point a second, the last of it: the axis knows nothing finer. */
export function bySecond(points: ChartPoint[]): Map<number, ChartPoint> {
  return new Map(points.map((point) => [Math.floor(point[0] / 1000), point]));
}

export function PriceChart({ points, overrides, theme, ref }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<IChartApi | null>(null);
  const [readout, setReadout] = useState<Readout | null>(null);

  useImperativeHandle(ref, () => ({
    image: () =>
      new Promise((resolve) =>
        chart.current ? chart.current.takeScreenshot(true).toBlob(resolve) : resolve(null),
      ),
  }));
  useEffect(() => {
    if (!host.current) return;
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const seconds = bySecond(points);
    const made = createChart(host.current, {
      autoSize: true,
      layout: {
        background: { type: ColorType.Solid, color: color("--card") },
        textColor: color("--dim"),
        fontFamily: style.fontFamily,
        attributionLogo: false,
        panes: { separatorColor: color("--line"), enableResize: false },
      },
      grid: { vertLines: { color: color("--line") }, horzLines: { color: color("--line") } },
      timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 4, borderColor: color("--line") },
      rightPriceScale: { borderColor: color("--line") },
      localization: { timeFormatter: (time: number) => formatTime(time * 1000) },
    });
    chart.current = made;
    const times = [...seconds.keys()];
    const spans = spansOf(overrides, times);
    const shade = made.addSeries(AreaSeries, {
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
    shade.setData(
      times.map((time) =>
        spans.has(time) ? { time: time as UTCTimestamp, value: 1 } : { time: time as UTCTimestamp },
      ),
    );
    const price = made.addSeries(LineSeries, {
      color: color("--accent"),
      lineWidth: 2,
      lineType: LineType.WithSteps,
      priceFormat: { type: "custom", formatter: formatMoney, minMove: 0.01 },
    });
    price.setData([...seconds].map(([time, point]) => ({ time: time as UTCTimestamp, value: point[1] })));
    createSeriesMarkers(
      price,
      [...seconds]
        .filter(([, point], index, all) => point[3] === "override" && all[index - 1]?.[1][3] !== "override")
        .map(([time]) => ({
          time: time as UTCTimestamp,
          position: "aboveBar" as const,
          shape: "arrowDown" as const,
          color: color("--down"),
          text: "override",
        })),
    );
    const demand = made.addSeries(
      HistogramSeries,
      { color: color("--demand"), priceFormat: { type: "custom", formatter: formatNumber, minMove: 0.1 } },
      1,
    );
    demand.setData([...seconds].map(([time, point]) => ({ time: time as UTCTimestamp, value: point[2] })));
    made.panes()[1]?.setHeight(90);
    made.timeScale().fitContent();
    made.subscribeCrosshairMove((move) => {
      const point = move.time === undefined ? undefined : seconds.get(move.time as number);
      setReadout(point ? { time: point[0], price: point[1], demand: point[2], source: point[3] } : null);
    });
    return () => {
      chart.current = null;
      made.remove();
    };
  }, [points, overrides, theme]);

  const last = points.at(-1);
  const shown = readout ?? (last ? { time: last[0], price: last[1], demand: last[2], source: last[3] } : null);
  return (
    <figure className="chart">
      <figcaption className="numbers" title={shown ? formatUtc(shown.time) : undefined}>
        {shown ? (
          <>
            {formatTime(shown.time)} · <strong>{formatMoney(shown.price)}</strong> · demand{" "}
            {formatNumber(shown.demand)} · {shown.source}
          </>
        ) : null}
      </figcaption>
      <div
        ref={host}
        className="canvas"
        role="img"
        aria-label={`Chart of the price and the demand, ${points.length} points`}
      />
    </figure>
  );
}

/** The seconds of the chart that lie within an override. */
function spansOf(overrides: PastOverride[], times: number[]): Set<number> {
  const spans = overrides.map((override) => [
    Date.parse(override.set_at) / 1000,
    override.removed_at ? Date.parse(override.removed_at) / 1000 : Number.POSITIVE_INFINITY,
  ]);
  return new Set(
    times.filter((time) => spans.some(([from = 0, to = 0]) => time >= Math.floor(from) && time <= to)),
  );
}
