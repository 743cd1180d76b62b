/** The controls above a chart: range, style, comparison and exports. */

import { useQuery } from "@tanstack/react-query";
import { Download, Image, X } from "lucide-react";
import { type RefObject, useState } from "react";
import { download, toCsv } from "../../ui/csv";
import { formatTime } from "../../ui/format";
import { zoneName } from "../../ui/zone";
import { isSymbol } from "../address";
import { symbolsPage } from "../requests";
import { averageNames } from "./averages";
import type { ChartHandle } from "./chart";
import { barRows, comparisonRows } from "./csv";
import type { ChartModel } from "./model";
import { intervalText, RANGE_NAMES, RANGES } from "./ranges";
import type { ChartView } from "./view";

interface Props {
  view: ChartView;
  setView: (change: Partial<ChartView>) => void;
}

export function RangeChoice({ view, setView }: Props) {
  return (
    <div className="segmented" role="group" aria-label="Range">
      {RANGES.map((range) => (
        <button
          key={range}
          type="button"
          aria-pressed={view.range === range}
          title={RANGE_NAMES[range]}
          onClick={() => setView({ range })}
        >
          {range === "all" ? "all" : range.replace(/(\d+)/, "$1 ")}
        </button>
      ))}
    </div>
  );
}

export function StyleChoice({ view, setView }: Props) {
  return (
    <div className="segmented" role="group" aria-label="Style">
      {(["candles", "line"] as const).map((style) => (
        <button
          key={style}
          type="button"
          aria-pressed={view.style === style && !view.other}
          disabled={view.other !== null}
          onClick={() => setView({ style })}
        >
          {style === "candles" ? "Candles" : "Line"}
        </button>
      ))}
    </div>
  );
}

const SUGGESTIONS = 20;

/** The field for the symbol that is compared. */
export function Comparison({ symbol, view, setView }: Props & { symbol: string }) {
  const [text, setText] = useState("");
  const found = useQuery({
    queryKey: ["market-suggestions", text],
    queryFn: () => symbolsPage({ search: text, limit: SUGGESTIONS }),
    enabled: isSymbol(text),
    staleTime: 30_000,
  });
  if (view.other) {
    return (
      <button type="button" className="button" onClick={() => setView({ other: null })}>
        Compared with {view.other} <X size={14} aria-hidden="true" />
        <span className="visually-hidden">: end the comparison</span>
      </button>
    );
  }
  const names = found.data?.symbols.map((each) => each.symbol).filter((each) => each !== symbol) ?? [];
  const choose = (wanted: string) => {
    // A person may type the symbol in another case, or a part of it.
    const named = names.find((each) => each.toLowerCase() === wanted.toLowerCase()) ?? names[0] ?? wanted;
    if (!isSymbol(named) || named === symbol) return;
    setText("");
    setView({ other: named });
  };
  return (
    <form
      className="inline"
      onSubmit={(event) => {
        event.preventDefault();
        choose(text.trim());
      }}
    >
      <input
        className="compare"
        list="compared-symbols"
        placeholder="Compare with…"
        aria-label="Compare with a symbol"
        maxLength={32}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          if (names.includes(event.target.value)) choose(event.target.value);
        }}
      />
      <datalist id="compared-symbols">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

interface ExportProps {
  model: ChartModel | null;
  chart: RefObject<ChartHandle | null>;
}

export function Exports({ model, chart }: ExportProps) {
  // A slash is no part of a file's name.
  const name = [model?.main.symbol, model?.other?.symbol, model?.data.range].filter(Boolean).join("-");
  const file = name.replace(/[^A-Za-z0-9.=-]/g, "_");
  return (
    <>
      <button
        type="button"
        className="icon"
        aria-label="Export as CSV"
        title="Export as CSV"
        disabled={!model}
        onClick={() => model && download(`${file}.csv`, toCsv(rowsOf(model)))}
      >
        <Download size={17} aria-hidden="true" />
      </button>
      <button
        type="button"
        className="icon"
        aria-label="Export as PNG"
        title="Export as PNG"
        disabled={!model}
        onClick={() =>
          model &&
          void chart.current?.image(captionOf(model)).then((image) => image && download(`${file}.png`, image))
        }
      >
        <Image size={17} aria-hidden="true" />
      </button>
    </>
  );
}

function captionOf({ main, other, data, intervalS, starts }: ChartModel): string {
  const symbols = other ? `${main.symbol} and ${other.symbol}, change in per cent` : main.symbol;
  const until = formatTime((starts.at(-1) ?? 0) * 1000);
  const range = data.range === "all" ? "" : `${RANGE_NAMES[data.range]}, `;
  return `${symbols} · ${range}${intervalText(intervalS)} bars until ${until} (${zoneName()}) · TradingView Lightweight Charts™`;
}

function rowsOf(model: ChartModel): Record<string, unknown>[] {
  const { main, other } = model;
  if (!other) return barRows(main.symbol, main.bars.list, main.averagePoints(), averageNames(main.ofTicks));
  const part = (each: typeof main) => ({
    symbol: each.symbol,
    bars: each.bars.list,
    percents: model.percents(each),
  });
  return comparisonRows(part(main), part(other));
}
