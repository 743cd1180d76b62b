/** The chart of a product as a component, with the values under the pointer above it. */

import type { IChartApi } from "lightweight-charts";
import { useEffect, useImperativeHandle, useRef, useState } from "react";
import { useMoney } from "../prices/policy";
import { formatNumber, formatTime, formatUtc } from "../ui/format";
import { type ChartPoint, type Overlay, type SignalPoint, signalAt } from "./chart-points";
import { type Drawn, drawChart } from "./draw-chart";

export interface ChartHandle {
  image(): Promise<Blob | null>;
}

interface Props extends Drawn {
  /** Changes when colours do. */
  theme: string;
  ref?: React.Ref<ChartHandle>;
}

export function PriceChart({ points, overrides, signals, overlays, theme, ref }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<IChartApi | null>(null);
  const money = useMoney();
  const [pointed, setPointed] = useState<ChartPoint | undefined>(undefined);

  useImperativeHandle(ref, () => ({
    image: () =>
      new Promise((resolve) =>
        chart.current ? chart.current.takeScreenshot(true).toBlob(resolve) : resolve(null),
      ),
  }));
  useEffect(() => {
    if (!host.current) return;
    const drawn = drawChart(host.current, { points, overrides, signals, overlays }, money, setPointed);
    chart.current = drawn;
    return () => {
      chart.current = null;
      drawn.remove();
    };
  }, [points, overrides, signals, overlays, theme, money]);

  const shown = pointed ?? points.at(-1);
  return (
    <figure className="chart">
      <figcaption className="numbers" title={shown ? formatUtc(shown[0]) : undefined}>
        {shown ? <Readout point={shown} /> : null}
        {shown && overlays.length > 0 ? <Signals point={signalAt(signals, shown[0])} overlays={overlays} /> : null}
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

function Readout({ point: [time, price, demand, source] }: { point: ChartPoint }) {
  const money = useMoney();
  return (
    <>
      {formatTime(time)} · <strong>{money.format(price)}</strong> · demand {formatNumber(demand)} · {source}
    </>
  );
}

function Signals({ point, overlays }: { point: SignalPoint | undefined; overlays: Overlay[] }) {
  const money = useMoney();
  const [, stock = null, , competitor = null] = point ?? [];
  return (
    <>
      {overlays.includes("stock") && (
        <span className="of-stock"> · stock {stock === null ? "–" : formatNumber(stock)}</span>
      )}
      {overlays.includes("competitor") && (
        <span className="of-competitor"> · competitor {competitor === null ? "–" : money.format(competitor)}</span>
      )}
    </>
  );
}
