/** The look of a chart of the market: colours of the theme, axes, and the zone of its times. */

import { ColorType, createChart, CrosshairMode, type IChartApi, TickMarkType } from "lightweight-charts";
import { type TickUnit, tickText } from "../../ui/chart-ticks";
import { formatTime } from "../../ui/format";

/** A colour of the theme by its name, such as `--card`. */
export type Colors = (name: string) => string;

export function themeColors(): Colors {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

/** A chart without series. */
export function emptyChart(host: HTMLElement, color: Colors): IChartApi {
  return createChart(host, {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: color("--card") },
      textColor: color("--dim"),
      fontFamily: getComputedStyle(document.documentElement).fontFamily,
      // The licence of the library asks for a link to its maker.
      attributionLogo: true,
      panes: { separatorColor: color("--line"), enableResize: false },
    },
    grid: { vertLines: { color: color("--line") }, horzLines: { color: color("--line") } },
    crosshair: { mode: CrosshairMode.Normal },
    timeScale: {
      timeVisible: true,
      secondsVisible: true,
      rightOffset: 3,
      minBarSpacing: 0.3,
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

const CAPTION_PX = 34;

/** A picture with a line of text above it. */
export function withCaption(picture: HTMLCanvasElement, caption: string, color: Colors): HTMLCanvasElement {
  const scale = window.devicePixelRatio || 1;
  const height = CAPTION_PX * scale;
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height + height;
  const context = canvas.getContext("2d");
  if (!context) return picture;
  context.fillStyle = color("--card");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = color("--ink");
  context.font = `${14 * scale}px ${getComputedStyle(document.documentElement).fontFamily}`;
  context.textBaseline = "middle";
  context.fillText(caption, 8 * scale, height / 2, canvas.width - 16 * scale);
  context.drawImage(picture, 0, height);
  return canvas;
}
