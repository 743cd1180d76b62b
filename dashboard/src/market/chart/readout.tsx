/** The values of a bar above its chart: of the bar under the crosshair, or of the newest one. */

import type { ReactNode } from "react";
import { formatPercent, formatTime, formatUtc } from "../../ui/format";
import { formatPrice, formatVolume } from "../prices";
import { averageNames } from "./averages";
import type { ChartModel } from "./model";
import { percentAt } from "./percent";
import { intervalText } from "./ranges";

interface Props {
  model: ChartModel;
  start: number;
}

export function Readout({ model, start }: Props) {
  return (
    <figcaption className="readout">
      <time dateTime={new Date(start * 1000).toISOString()} title={formatUtc(start * 1000)}>
        {formatTime(start * 1000)}
      </time>
      <span className="dim">{intervalText(model.intervalS)}</span>
      {model.other ? <Compared model={model} start={start} /> : <OneBar model={model} start={start} />}
    </figcaption>
  );
}

function OneBar({ model: { main }, start }: Props) {
  const bar = main.bars.at(start);
  if (!bar) return <span className="dim">no bar</span>;
  const { short, long } = main.averageAt(start);
  const [shortName, longName] = averageNames(main.ofTicks);
  return (
    <>
      <Value name="Open">{formatPrice(bar.open)}</Value>
      <Value name="High">{formatPrice(bar.high)}</Value>
      <Value name="Low">{formatPrice(bar.low)}</Value>
      <Value name="Close">{formatPrice(bar.close)}</Value>
      <Value name="Volume">{formatVolume(bar.volume)}</Value>
      <Value name="VWAP">{bar.vwap === null ? "—" : formatPrice(bar.vwap)}</Value>
      <Value name={shortName} className="short">
        {short === null ? "—" : formatPrice(short)}
      </Value>
      <Value name={longName} className="long">
        {long === null ? "—" : formatPrice(long)}
      </Value>
      {main.anomaliesIn(start).map(({ kind, text, atUs }) => (
        <span key={`${atUs} ${kind}`} className="warning">
          ⚠ {text}
        </span>
      ))}
    </>
  );
}

function Compared({ model, start }: Props) {
  return [model.main, model.other].map((each, index) => {
    if (!each) return null;
    const percent = percentAt(model.percents(each), start);
    const close = each.bars.list.findLast((bar) => bar.start <= start)?.close;
    return (
      <Value key={each.symbol} name={each.symbol} className={index ? "other" : "main"}>
        {percent === null ? "—" : formatPercent(percent)}
        {close === undefined ? null : <span className="dim"> {formatPrice(close)}</span>}
      </Value>
    );
  });
}

function Value({ name, className, children }: { name: string; className?: string; children: ReactNode }) {
  return (
    <span className={className}>
      <span className="dim">{name}</span> {children}
    </span>
  );
}

/** The bar in words, for screen readers. */
export function spokenBar(model: ChartModel, start: number): string {
  const at = formatTime(start * 1000);
  if (model.other) {
    const parts = [model.main, model.other].map((each) => {
      const percent = percentAt(model.percents(each), start);
      return `${each.symbol} ${percent === null ? "unknown" : formatPercent(percent)}`;
    });
    return `${at}: ${parts.join(", ")}`;
  }
  const bar = model.main.bars.at(start);
  if (!bar) return `${at}: no bar`;
  const prices = `open ${formatPrice(bar.open)}, high ${formatPrice(bar.high)}, low ${formatPrice(bar.low)}`;
  return `${at}: ${prices}, close ${formatPrice(bar.close)}, volume ${formatVolume(bar.volume)}`;
}
