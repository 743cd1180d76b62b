/** The inventory: stock, clicks and the cheapest competitor of each product, read again every two seconds. Its address is
 * `/stock`, because `/inventory` is the route of the API. */

import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useMemo } from "react";
import type { Stocked } from "../api/types";
import { SearchField } from "../shell/search-field";
import { useNow } from "../ui/clock";
import { download, toCsv } from "../ui/csv";
import { formatAge, formatWhole } from "../ui/format";
import { useView } from "../ui/use-view";
import { FirstRun } from "./first-run";
import { Rows } from "./rows";
import {
  allStocked,
  arrange,
  CATEGORIES,
  type Category,
  readView,
  SHOWN_MAX,
  toRows,
  type View,
  writeView,
} from "./stock";
import "../ui/grid.css";
import "./inventory.css";

const READ_EVERY_MS = 2_000;

export default function Inventory() {
  const [view, setView] = useView("/stock", readView, writeView);
  const read = useQuery({
    queryKey: ["inventory"],
    queryFn: allStocked,
    refetchInterval: READ_EVERY_MS,
    placeholderData: (before) => before,
    retry: false,
  });
  const all = read.data;
  const rows = useMemo(() => arrange(all ?? [], view), [all, view]);
  return (
    <div className="board inventory">
      <h1 className="visually-hidden">Inventory</h1>
      <Toolbar view={view} setView={setView} rows={rows} total={all?.length ?? 0} />
      {all && read.error ? <Outdated since={read.dataUpdatedAt} reason={read.error.message} /> : null}
      <Content all={all} rows={rows} error={read.error} view={view} setView={setView} />
    </div>
  );
}

interface ToolbarProps {
  view: View;
  setView: (change: Partial<View>) => void;
  rows: Stocked[];
  total: number;
}

function Toolbar({ view, setView, rows, total }: ToolbarProps) {
  return (
    <div className="toolbar">
      <SearchField
        label="Search products"
        placeholder="Search products"
        search={view.search}
        setSearch={(search) => setView({ search })}
      />
      <select
        aria-label="Stock"
        value={view.category ?? ""}
        onChange={(event) => setView({ category: (event.target.value || null) as Category | null })}
      >
        <option value="">Any stock</option>
        {CATEGORIES.map((name) => (
          <option key={name} value={name}>
            {name} stock
          </option>
        ))}
      </select>
      <label className="check">
        <input type="checkbox" checked={view.low} onChange={(event) => setView({ low: event.target.checked })} />
        Only to reorder
      </label>
      <button
        type="button"
        className="button"
        disabled={rows.length === 0}
        onClick={() => download("inventory.csv", toCsv(toRows(rows)))}
      >
        <Download size={15} aria-hidden="true" /> CSV
      </button>
      <span className="dim count" aria-live="off">
        {rows.length === total
          ? `${formatWhole(total)} products`
          : `${formatWhole(rows.length)} of ${formatWhole(total)}`}
        {total >= SHOWN_MAX ? ", the first ones" : ""}
      </span>
    </div>
  );
}

function Outdated({ since, reason }: { since: number; reason: string }) {
  const now = useNow();
  return (
    <p className="error outdated" role="alert">
      The list is {formatAge(now - since)} old: {reason}
    </p>
  );
}

interface ContentProps {
  all: Stocked[] | undefined;
  rows: Stocked[];
  error: Error | null;
  view: View;
  setView: (change: Partial<View>) => void;
}

function Content({ all, rows, error, view, setView }: ContentProps) {
  if (!all && error) {
    return (
      <div className="empty" role="alert">
        <h2>The inventory cannot be loaded</h2>
        <p>{error.message}</p>
        <p>The page goes on trying.</p>
      </div>
    );
  }
  if (!all) {
    return (
      <p className="loading" role="status">
        Loading the inventory…
      </p>
    );
  }
  if (all.length === 0) return <FirstRun />;
  if (rows.length === 0) {
    return (
      <div className="empty">
        <h2>No product fits</h2>
        <p>None of {formatWhole(all.length)} products is what the search and the filters ask for.</p>
        <button
          type="button"
          className="button"
          onClick={() => setView({ search: "", category: null, low: false })}
        >
          Show all products
        </button>
      </div>
    );
  }
  return <Rows rows={rows} view={view} setView={setView} />;
}
