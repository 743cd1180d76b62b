/** A chart of the market on a page. Only this file, `series.ts` and `look.ts` import the chart's library. */

import {
  type IChartApi,
  type LogicalRange,
  MismatchDirection,
  type MouseEventParams,
  type UTCTimestamp,
} from "lightweight-charts";
import { type Colors, themeColors } from "../../ui/chart-look";
import { marketChart, withCaption } from "./look";
import type { ChartModel } from "./model";
import { addMarkers, addSeries, type Filled, markersOf, type Style } from "./series";

/** Gets the start (s) of the bar under the crosshair; null for none. */
export type OnPoint = (start: number | null) => void;

export class MarketChart {
  private readonly chart: IChartApi;
  private readonly color: Colors;
  private readonly series: Filled[];
  private readonly markers: ReturnType<typeof addMarkers>;
  private marked = -1;
  private pointed: number | null = null;

  constructor(
    host: HTMLElement,
    private model: ChartModel,
    style: Style,
    private readonly onPoint: OnPoint,
  ) {
    this.color = themeColors();
    this.chart = marketChart(host, this.color);
    this.series = addSeries(this.chart, this.color, model, style);
    this.markers = addMarkers(this.first.series);
    this.fill();
    this.chart.timeScale().fitContent();
    this.chart.subscribeCrosshairMove(this.follow);
  }

  /** Show another model of the same symbols and range. */
  show(model: ChartModel): void {
    this.model = model;
    this.fill();
  }

  /** Draw the bars that changed. */
  update(): void {
    const starts = this.model.takeDirty();
    const newest = this.model.starts.at(-1) ?? 0;
    // More than the newest bar changes seldom: when one begins, and when a tick was out of order.
    if (starts.length > 1 || starts.some((start) => start < newest)) {
      this.fill();
      return;
    }
    for (const start of starts) for (const each of this.series) each.change(this.model, start);
    this.mark();
  }

  /** Move the crosshair by so many bars; from the newest one, if there is none. Returns the start (s) of its bar. */
  move(by: number): number | null {
    const { starts } = this.model;
    if (!starts.length) return null;
    const from = this.pointed === null ? starts.length - 1 : starts.indexOf(this.pointed);
    const index = Math.min(starts.length - 1, Math.max(0, from + by));
    const start = starts[index] as number;
    const price = this.first.series.dataByIndex(index, MismatchDirection.NearestLeft);
    const value = price && ("close" in price ? price.close : "value" in price ? price.value : 0);
    this.chart.setCrosshairPosition(Number(value ?? 0), start as UTCTimestamp, this.first.series);
    this.reveal(index);
    this.point(start);
    return start;
  }

  /** Make bars wider (`factor` above 1) or narrower, around the crosshair or the newest bar. */
  zoom(factor: number): void {
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const { starts } = this.model;
    const center = this.pointed === null ? starts.length - 1 : starts.indexOf(this.pointed);
    const around = center < range.from || center > range.to ? (range.from + range.to) / 2 : center;
    scale.setVisibleLogicalRange({
      from: around - (around - range.from) / factor,
      to: around + (range.to - around) / factor,
    });
  }

  get visible(): LogicalRange | null {
    return this.chart.timeScale().getVisibleLogicalRange();
  }

  set visible(range: LogicalRange | null) {
    if (range) this.chart.timeScale().setVisibleLogicalRange(range);
  }

  /** A PNG of the chart below its caption. */
  image(caption: string): Promise<Blob | null> {
    const drawn = this.chart.takeScreenshot(true, false);
    return new Promise((resolve) => withCaption(drawn, caption, this.color).toBlob(resolve, "image/png"));
  }

  remove(): void {
    this.chart.unsubscribeCrosshairMove(this.follow);
    this.chart.remove();
  }

  private get first(): Filled {
    return this.series[0] as Filled;
  }

  private fill(): void {
    this.model.takeDirty();
    for (const each of this.series) each.fill(this.model);
    this.marked = -1;
    this.mark();
  }

  private mark(): void {
    const count = this.model.main.anomalies.length;
    if (count === this.marked) return;
    this.marked = count;
    this.markers.setMarkers(markersOf(this.model, this.color));
  }

  /** Scroll until a bar is on the screen. */
  private reveal(index: number): void {
    const range = this.visible;
    if (!range) return;
    const by = index < range.from ? index - range.from - 1 : index > range.to ? index - range.to + 1 : 0;
    if (by) this.visible = { from: range.from + by, to: range.to + by } as LogicalRange;
  }

  private readonly follow = ({ time }: MouseEventParams): void => {
    this.point(time === undefined ? null : (time as number));
  };

  private point(start: number | null): void {
    if (start === this.pointed) return;
    this.pointed = start;
    this.onPoint(start);
  }
}
