/** The look of a chart of the market, and of its picture. */

import { CrosshairMode, type IChartApi } from "lightweight-charts";
import { type Colors, emptyChart } from "../../ui/chart-look";

/** A chart of the market, without series. */
export function marketChart(host: HTMLElement, color: Colors): IChartApi {
  // The licence of the library asks for a link to its maker.
  const chart = emptyChart(host, color, { attributionLogo: true, rightOffset: 3 });
  chart.applyOptions({ crosshair: { mode: CrosshairMode.Normal }, timeScale: { minBarSpacing: 0.3 } });
  return chart;
}

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
