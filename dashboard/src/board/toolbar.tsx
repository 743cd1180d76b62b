/** The bar above the board: search, filters, watchlists, columns, and the actions on the selected rows. */

import { useQuery } from "@tanstack/react-query";
import { Snowflake, Upload } from "lucide-react";
import { answer, api } from "../api/client";
import { open } from "../shell/dialogs/opened";
import { SearchField } from "../shell/search-field";
import { withKey } from "../shell/session";
import { formatWhole } from "../ui/format";
import { ColumnMenu } from "./column-menu";
import type { View } from "./view";
import { Watchlists } from "./watchlists";

interface Props {
  view: View;
  setView: (change: Partial<View>) => void;
  shown: number;
  total: number;
  selected: ReadonlySet<string>;
  clear: () => void;
}

export function Toolbar({ view, setView, shown, total, selected, clear }: Props) {
  const ids = [...selected];
  return (
    <div className="toolbar">
      <SearchField
        label="Search products"
        placeholder="Search name, id, category"
        search={view.search}
        setSearch={(search) => setView({ search })}
      />
      <CategoryFilter category={view.category} setCategory={(category) => setView({ category })} />
      <SourceFilter source={view.source} setSource={(source) => setView({ source })} />
      <Watchlists view={view} setView={setView} selected={ids} />
      <ColumnMenu view={view} setView={setView} />
      <button type="button" className="button wide-only" onClick={() => void withKey(() => open({ kind: "bulk" }))}>
        <Upload size={15} aria-hidden="true" /> CSV
      </button>
      {view.category ? (
        <button
          type="button"
          className="button wide-only"
          onClick={() => void withKey(() => open({ kind: "freeze", scope: `category:${view.category}` }))}
        >
          <Snowflake size={15} aria-hidden="true" /> Freeze category
        </button>
      ) : null}
      <span className="dim count" aria-live="off">
        {shown === total ? `${formatWhole(total)} products` : `${formatWhole(shown)} of ${formatWhole(total)}`}
      </span>
      {ids.length ? <Selection ids={ids} clear={clear} /> : null}
    </div>
  );
}

interface CategoryProps {
  category: string | null;
  setCategory: (category: string | null) => void;
}

function CategoryFilter({ category, setCategory }: CategoryProps) {
  const { data } = useQuery({
    queryKey: ["categories"],
    queryFn: () => answer(api.GET("/categories")),
    refetchInterval: 30_000,
  });
  return (
    <select
      aria-label="Category"
      value={category ?? ""}
      onChange={(event) => setCategory(event.target.value || null)}
    >
      <option value="">All categories</option>
      {category && !data?.categories.includes(category) ? <option>{category}</option> : null}
      {data?.categories.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

interface SourceProps {
  source: View["source"];
  setSource: (source: View["source"]) => void;
}

function SourceFilter({ source, setSource }: SourceProps) {
  return (
    <select
      aria-label="Source"
      value={source ?? ""}
      onChange={(event) => setSource((event.target.value || null) as View["source"])}
    >
      <option value="">All sources</option>
      <option value="dynamic">Dynamic</option>
      <option value="override">Override</option>
      <option value="base">Base</option>
      <option value="bounded">Bounded by a guardrail</option>
    </select>
  );
}

function Selection({ ids, clear }: { ids: string[]; clear: () => void }) {
  return (
    <div className="selection" role="toolbar" aria-label="Selected products">
      <strong>{ids.length} selected</strong>
      <button
        type="button"
        className="button primary"
        onClick={() => void withKey(() => open({ kind: "override", ids }))}
      >
        Set prices…
      </button>
      <button type="button" className="button" onClick={clear}>
        Clear
      </button>
    </div>
  );
}
