/** The heads of the columns: a click sorts by one, a second click turns the order around. */

import { HEADS, TEMPLATE } from "./columns";
import { COLUMNS, type Column, type SortBy, SORTS, type View } from "./view";

interface Props {
  view: View;
  setView: (change: Partial<View>) => void;
}

export function Head({ view, setView }: Props) {
  return (
    <div role="rowgroup">
      <div role="row" className="head" aria-rowindex={1} style={{ gridTemplateColumns: TEMPLATE }}>
        {(["symbol", ...COLUMNS] as const).map((name) =>
          isSortable(name) ? (
            <ColumnHead key={name} name={name} view={view} setView={setView} />
          ) : (
            <span key={name} role="columnheader" className={`cell ${name}`}>
              {HEADS[name]}
            </span>
          ),
        )}
      </div>
    </div>
  );
}

const isSortable = (name: Column | "symbol"): name is SortBy => (SORTS as readonly string[]).includes(name);

function ColumnHead({ name, view, setView }: Props & { name: SortBy }) {
  const sorted = view.sort === name;
  const direction = sorted ? (view.descending ? "descending" : "ascending") : "none";
  return (
    <span role="columnheader" aria-sort={direction} className={`cell ${name}`}>
      <button
        type="button"
        onClick={() => setView({ sort: name, descending: sorted ? !view.descending : name !== "symbol" })}
      >
        {HEADS[name]} <span aria-hidden="true">{sorted ? (view.descending ? "↓" : "↑") : ""}</span>
      </button>
    </span>
  );
}
