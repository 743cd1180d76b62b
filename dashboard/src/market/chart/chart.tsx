/** A chart of the market as a component, with the values of a bar above it. */

import { useEffect, useImperativeHandle, useRef, useState } from "react";
import { theme } from "../../shell/preferences";
import { useSignal } from "../../ui/signal";
import { MarketChart } from "./market-chart";
import type { ChartModel } from "./model";
import { Readout, spokenBar } from "./readout";
import type { Style } from "./series";

export interface ChartHandle {
  image(caption: string): Promise<Blob | null>;
  move(by: number): void;
  zoom(factor: number): void;
}

interface Props {
  model: ChartModel;
  style: Style;
  /** The text for screen readers. */
  label: string;
  ref?: React.Ref<ChartHandle>;
}

export function Chart({ model, style, label, ref }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const [spoken, setSpoken] = useState("");
  const chart = useDrawn(host, model, style, setPointed);
  useSignal(model.changed);
  useImperativeHandle(ref, () => ({
    image: (caption) => chart.current?.image(caption) ?? Promise.resolve(null),
    zoom: (factor) => chart.current?.zoom(factor),
    move: (by) => {
      const start = chart.current?.move(by) ?? null;
      if (start !== null) setSpoken(spokenBar(model, start));
    },
  }));
  const start = pointed ?? model.starts.at(-1);
  return (
    <figure className="chart market-chart">
      {start === undefined ? null : <Readout model={model} start={start} />}
      <div ref={host} className="canvas" role="group" aria-label={label} />
      <p className="visually-hidden" aria-live="polite">
        {spoken}
      </p>
    </figure>
  );
}

/** The chart in `host`. It is made again for another theme, symbol, range or style, and keeps its place if only the theme
 * or the style is another one. */
function useDrawn(
  host: React.RefObject<HTMLDivElement | null>,
  model: ChartModel,
  style: Style,
  onPoint: (start: number | null) => void,
) {
  const mode = useSignal(theme);
  const dark = useDark();
  const chart = useRef<MarketChart | null>(null);
  const place = useRef<{ content: string; visible: MarketChart["visible"] }>({ content: "", visible: null });
  const newest = useRef(model);
  newest.current = model;
  const content = [model.main.symbol, model.other?.symbol, model.data.range, model.intervalS].join(" ");
  useEffect(() => {
    if (!host.current) return;
    const drawn = new MarketChart(host.current, newest.current, style, onPoint);
    if (place.current.content === content) drawn.visible = place.current.visible;
    chart.current = drawn;
    return () => {
      place.current = { content, visible: drawn.visible };
      chart.current = null;
      onPoint(null);
      drawn.remove();
    };
  }, [host, content, style, mode, dark, onPoint]);
  useEffect(() => {
    chart.current?.show(model);
    return model.changed.subscribe(() => chart.current?.update());
  }, [model]);
  return chart;
}

/** True if the system asks for dark colours: then the theme "system" has others. */
function useDark(): boolean {
  const [media] = useState(() => window.matchMedia("(prefers-color-scheme: dark)"));
  const [dark, setDark] = useState(media.matches);
  useEffect(() => {
    const look = () => setDark(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, [media]);
  return dark;
}
