/** The view of a chart, as it stands in the address. */

import { isSymbol } from "../address";
import { type Range, readRange } from "./ranges";
import type { Style } from "./series";

export interface ChartView {
  range: Range;
  style: Style;
  /** The symbol that is compared; null for none. */
  other: string | null;
}

/** `symbol` is the symbol of the page: it is not compared with itself. */
export function readChartView(address: string, symbol: string): ChartView {
  const parameters = new URLSearchParams(address);
  const other = parameters.get("with");
  return {
    range: readRange(parameters.get("range")),
    style: parameters.get("style") === "line" ? "line" : "candles",
    other: other && isSymbol(other) && other !== symbol ? other : null,
  };
}

/** Only the parts that differ from the usual view. */
export function writeChartView({ range, style, other }: ChartView): string {
  const parameters = new URLSearchParams();
  if (range !== "60m") parameters.set("range", range);
  if (style !== "candles") parameters.set("style", style);
  if (other) parameters.set("with", other);
  return parameters.toString();
}
