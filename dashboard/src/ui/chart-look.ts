/** The look that all charts share: colours of the theme, axes, and the zone of their times. */

import { ColorType, createChart, type IChartApi, TickMarkType } from "lightweight-charts";
import { type TickUnit, tickText } from "./chart-ticks";
import { formatTime } from "./format";

/** A colour of the theme by its name, such as `--card`. */
export type Colors = (name: string) => string;

export function themeColors(): Colors {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

/** A chart without series. attributionLogo: the logo of the library's maker. rightOffset: bars of room at the right. */
export function emptyChart(
  host: HTMLElement,
  color: Colors,
  { attributionLogo, rightOffset }: { attributionLogo: boolean; rightOffset: number },
): IChartApi {
  return createChart(host, {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: color("--card") },
      textColor: color("--dim"),
      fontFamily: getComputedStyle(document.documentElement).fontFamily,
      attributionLogo,
      panes: { separatorColor: color("--line"), enableResize: false },
    },
    grid: { vertLines: { color: color("--line") }, horzLines: { color: color("--line") } },
    timeScale: {
      timeVisible: true,
      secondsVisible: true,
      rightOffset,
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
