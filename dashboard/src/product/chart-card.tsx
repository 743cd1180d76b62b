/** The chart of a product over a range of time, with its exports. */

import { useQuery } from "@tanstack/react-query";
import { Download, Image } from "lucide-react";
import { type RefObject, useRef } from "react";
import { answer, api } from "../api/client";
import type { PastOverride } from "../api/types";
import { LowestPrice } from "../prices/lowest";
import { NeedsKey } from "../shell/needs-key";
import { theme } from "../shell/preferences";
import { useKeyState } from "../shell/session";
import { ChartNotice } from "../ui/chart-notice";
import { download, toCsv } from "../ui/csv";
import { Problem } from "../ui/problem";
import { useSignal } from "../ui/signal";
import { useView } from "../ui/use-view";
import { zoneName } from "../ui/zone";
import { type ChartPoint, OVERLAYS, type Overlay, overlayOf, type SignalPoint } from "./chart-points";
import { useLivePoints } from "./live-points";
import { type ChartHandle, PriceChart } from "./price-chart";

/** Lengths in milliseconds. */
const RANGES = { "15m": 15 * 60_000, "1h": 3_600_000, "1d": 86_400_000, all: null } as const;
type Range = keyof typeof RANGES;
const CHART_POINTS = 800;
/** One array for all drawings: the chart is drawn again if it gets another one. */
const NONE: PastOverride[] = [];
const NO_SIGNALS: SignalPoint[] = [];
const NO_OVERLAYS: Overlay[] = [];
const ALL_OVERLAYS = Object.keys(OVERLAYS) as Overlay[];

export function ChartCard({ id, version }: { id: string; version: number }) {
  const hasKey = useKeyState() === "given";
  const [{ range, overlays }, setView] = useView(`/product/${encodeURIComponent(id)}`, readView, writeView);
  const chart = useRef<ChartHandle>(null);
  const live = useLivePoints(id, !hasKey);
  const loaded = useQuery({
    queryKey: ["chart", id, range, Math.floor(version / 5)],
    enabled: hasKey,
    placeholderData: (before) => before,
    queryFn: () => loadChart(id, range),
  });
  return (
    <section className="card chart-card" aria-labelledby="chart">
      <div className="row">
        <h2 id="chart">Price and demand</h2>
        <div className="spacer" />
        <OverlayChoice signals={loaded.data?.signals ?? []} overlays={overlays} setView={setView} />
        <RangeChoice range={range} setRange={(each) => setView({ range: each })} />
        <Exports id={id} points={hasKey ? (loaded.data?.points ?? []) : live} chart={chart} />
      </div>
      {!hasKey ? (
        <LiveChart points={live} ref={chart} />
      ) : loaded.isError ? (
        <Problem text={loaded.error.message} />
      ) : loaded.isPending ? (
        <p className="loading">Loading…</p>
      ) : (
        <Chart loaded={loaded.data} overlays={overlays} ref={chart} />
      )}
      <LowestPrice id={id} />
    </section>
  );
}

interface View {
  range: Range;
  overlays: Overlay[];
}

/** The view in the address; an hour without overlays by default. */
function readView(address: string): View {
  const asked = new URLSearchParams(address);
  const range = asked.get("range");
  const named = asked.get("overlay")?.split(",") ?? [];
  return {
    range: range && range in RANGES ? (range as Range) : "1h",
    overlays: ALL_OVERLAYS.filter((overlay) => named.includes(overlay)),
  };
}

function writeView({ range, overlays }: View): string {
  const asked = new URLSearchParams({ range });
  if (overlays.length) asked.set("overlay", overlays.join(","));
  return asked.toString();
}

interface Loaded {
  points: ChartPoint[];
  /** The number of decisions that the points stand for. */
  prices: number;
  overrides: PastOverride[];
  signals: SignalPoint[];
}

/** The range ends with the last decision: the events of a replay may lie years back. */
async function loadChart(id: string, range: Range): Promise<Loaded> {
  const path = { product_id: id };
  const span = RANGES[range];
  const newest = await answer(api.GET("/history/{product_id}", { params: { path, query: { limit: 1 } } }));
  const last = newest.history[0];
  const from = span === null || !last ? undefined : new Date(Date.parse(last.event_time) - span).toISOString();
  const [found, audit, signals] = await Promise.all([
    answer(api.GET("/history/{product_id}/chart", { params: { path, query: { points: CHART_POINTS, from } } })),
    answer(api.GET("/overrides/audit", { params: { query: { product_id: id, limit: 100 } } })),
    answer(api.GET("/history/{product_id}/signals", { params: { path, query: { points: CHART_POINTS, from } } })),
  ]);
  return {
    points: found.points as ChartPoint[],
    prices: found.prices,
    overrides: audit.overrides,
    signals: signals.points as SignalPoint[],
  };
}

function Chart({
  loaded: { points, prices, overrides, signals },
  overlays,
  ref,
}: {
  loaded: Loaded;
  overlays: Overlay[];
  ref: RefObject<ChartHandle | null>;
}) {
  const mode = useSignal(theme);
  if (points.length === 0) return <p className="empty-note">No price has been decided by an event yet.</p>;
  return (
    <>
      <PriceChart
        ref={ref}
        points={points}
        overrides={overrides}
        signals={signals}
        overlays={overlays}
        theme={mode}
      />
      <p className="dim small">
        {prices > points.length
          ? `${prices.toLocaleString()} decisions, shown as ${points.length} points.`
          : `${points.length} decisions.`}{" "}
        Red markers and shaded spans: overrides. Times: {zoneName()}. <ChartNotice />
      </p>
    </>
  );
}

function LiveChart({ points, ref }: { points: ChartPoint[]; ref: RefObject<ChartHandle | null> }) {
  const mode = useSignal(theme);
  return (
    <>
      {points.length > 0 && (
        <>
          <PriceChart
            ref={ref}
            points={points}
            overrides={NONE}
            signals={NO_SIGNALS}
            overlays={NO_OVERLAYS}
            theme={mode}
          />
          <p className="dim small">
            Live prices since this page was opened. <ChartNotice />
          </p>
        </>
      )}
      <NeedsKey what="History" />
    </>
  );
}

/** A choice for each overlay that there are values of. */
function OverlayChoice({
  signals,
  overlays,
  setView,
}: {
  signals: SignalPoint[];
  overlays: Overlay[];
  setView: (change: Partial<View>) => void;
}) {
  const there = ALL_OVERLAYS.filter(
    (overlay) => overlays.includes(overlay) || overlayOf(signals, overlay).length > 0,
  );
  return there.map((overlay) => (
    <label key={overlay} className={`overlay of-${overlay}`}>
      <input
        type="checkbox"
        checked={overlays.includes(overlay)}
        onChange={(event) =>
          setView({
            overlays: ALL_OVERLAYS.filter((each) =>
              each === overlay ? event.target.checked : overlays.includes(each),
            ),
          })
        }
      />{" "}
      {overlay}
    </label>
  ));
}

function RangeChoice({ range, setRange }: { range: Range; setRange: (range: Range) => void }) {
  return (
    <div className="segmented" role="radiogroup" aria-label="Range">
      {(Object.keys(RANGES) as Range[]).map((each) => (
        <label key={each}>
          <input type="radio" name="range" checked={range === each} onChange={() => setRange(each)} />
          <span>{each}</span>
        </label>
      ))}
    </div>
  );
}

interface ExportProps {
  id: string;
  points: ChartPoint[];
  chart: RefObject<ChartHandle | null>;
}

function Exports({ id, points, chart }: ExportProps) {
  const rows = () =>
    points.map(([time, price, demand, source, version]) => ({
      event_time: new Date(time).toISOString(),
      price,
      demand,
      source,
      version,
    }));
  return (
    <>
      <button
        type="button"
        className="icon"
        aria-label="Export as CSV"
        title="Export as CSV"
        disabled={!points.length}
        onClick={() => download(`${id}.csv`, toCsv(rows()))}
      >
        <Download size={17} aria-hidden="true" />
      </button>
      <button
        type="button"
        className="icon"
        aria-label="Export as PNG"
        title="Export as PNG"
        disabled={!points.length}
        onClick={() => void chart.current?.image().then((image) => image && download(`${id}.png`, image))}
      >
        <Image size={17} aria-hidden="true" />
      </button>
    </>
  );
}
