/** The heads of the board's columns: a click sorts by one, a second click turns the order around. */

import { HEADS, inOrder, templateOf } from "./columns";
import type { SortBy, View } from "./view";

interface Props {
  view: View;
  setView: (change: Partial<View>) => void;
}

export function Head({ view, setView }: Props) {
  return (
    <div role="rowgroup">
      <div role="row" className="head" aria-rowindex={1} style={{ gridTemplateColumns: templateOf(view.columns) }}>
        <span role="columnheader" className="visually-hidden-cell">
          <span className="visually-hidden">Selected</span>
        </span>
        {(["product", ...inOrder(view.columns)] as SortBy[]).map((name) => (
          <ColumnHead key={name} name={name} view={view} setView={setView} />
        ))}
      </div>
    </div>
  );
}

function ColumnHead({ name, view, setView }: Props & { name: SortBy }) {
  const sorted = view.sort === name;
  const direction = sorted ? (view.descending ? "descending" : "ascending") : "none";
  return (
    <span role="columnheader" aria-sort={direction} className={`cell ${name}`}>
      <button
        type="button"
        onClick={() =>
          setView({
            sort: name,
            descending: sorted ? !view.descending : name !== "product" && name !== "source",
          })
        }
      >
        {HEADS[name]} <span aria-hidden="true">{sorted ? (view.descending ? "↓" : "↑") : ""}</span>
      </button>
    </span>
  );
}
