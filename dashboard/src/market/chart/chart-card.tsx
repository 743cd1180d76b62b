/** The card of a symbol's chart: its controls, the chart, and the notes below it. */

import type { RefObject } from "react";
import { ChartNotice } from "../../ui/chart-notice";
import { Problem } from "../../ui/problem";
import { zoneName } from "../../ui/zone";
import { LONG_BARS, SHORT_BARS } from "./averages";
import { Chart, type ChartHandle } from "./chart";
import { Comparison, Exports, RangeChoice, StyleChoice } from "./controls";
import type { ChartModel } from "./model";
import { intervalText, RANGE_NAMES } from "./ranges";
import type { ChartView } from "./view";

interface Props {
  symbol: string;
  view: ChartView;
  setView: (change: Partial<ChartView>) => void;
  model: ChartModel | null;
  error: Error | null;
  isPending: boolean;
  chart: RefObject<ChartHandle | null>;
}

export function ChartCard({ symbol, view, setView, model, error, isPending, chart }: Props) {
  return (
    <section className="card chart-card" aria-labelledby="chart">
      <div className="row">
        <h2 id="chart">Price and volume</h2>
        <div className="spacer" />
        <Comparison symbol={symbol} view={view} setView={setView} />
        <StyleChoice view={view} setView={setView} />
        <RangeChoice view={view} setView={setView} />
        <Exports model={model} chart={chart} />
      </div>
      <Problem text={error && `${model ? "The chart is not current. " : ""}${error.message}`} />
      {isPending ? (
        <p className="loading" role="status">
          Loading…
        </p>
      ) : null}
      {model ? <Content view={view} model={model} chart={chart} /> : null}
    </section>
  );
}

function Content({ view, model, chart }: Pick<Props, "view" | "chart"> & { model: ChartModel }) {
  if (model.starts.length === 0) {
    return (
      <p className="empty-note">
        {model.other ? "The two symbols have no bar of the same time in this range." : "No bar in this range."}
      </p>
    );
  }
  return (
    <>
      <Chart ref={chart} model={model} style={view.style} label={labelOf(model)} />
      <p className="dim small">
        {intervalText(model.intervalS)} bars{model.isFine ? ", built from ticks" : ""}. {averagesNote(model)} Times:{" "}
        {zoneName()}. <ChartNotice />
      </p>
    </>
  );
}

function labelOf({ main, other, data, intervalS }: ChartModel): string {
  const range = data.range === "all" ? "all there is" : `the last ${RANGE_NAMES[data.range].replace(/^a /, "")}`;
  const what = other ? `Change in per cent of ${main.symbol} and ${other.symbol}` : `Price of ${main.symbol}`;
  return `${what} and volume, ${range}, bars of ${intervalText(intervalS)}. Left and right arrows read the bars.`;
}

function averagesNote({ main, other }: ChartModel): string {
  if (other) return "In per cent since the first bar that both have; the volume is that of the first symbol.";
  return main.ofTicks
    ? "Averages: those of the last tick of each bar."
    : `Averages: means of the closes of ${SHORT_BARS} and ${LONG_BARS} bars.`;
}
