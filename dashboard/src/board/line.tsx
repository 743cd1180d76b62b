/** One line of the board. */

import { memo } from "react";

interface Props {
  id: string;
  name: string;
  index: number;
  top: number;
  height: number;
  template: string;
  selected: boolean;
  current: boolean;
  cells: React.ReactNode;
  toggle: (id: string) => void;
  onOpen: (path: string) => void;
  /** Compared instead of `cells`, which are made again for each frame. */
  stamp: number;
  tick: number;
  columns: string;
  frozen: string | undefined;
}

const COMPARED = [
  "stamp",
  "tick",
  "selected",
  "current",
  "top",
  "height",
  "template",
  "columns",
  "frozen",
  "toggle",
] as const satisfies (keyof Props)[];

export const Line = memo(
  function Line({ id, name, index, top, height, template, selected, current, cells, toggle, onOpen }: Props) {
    return (
      <div
        role="row"
        tabIndex={-1}
        aria-rowindex={index + 2}
        className={`line${selected ? " selected" : ""}${current ? " current" : ""}`}
        style={{ transform: `translateY(${top}px)`, height, gridTemplateColumns: template }}
        onClick={(event) => {
          if (!(event.target as HTMLElement).closest("input, label")) onOpen(`/product/${encodeURIComponent(id)}`);
        }}
      >
        <span role="cell" className="cell check">
          <input type="checkbox" checked={selected} aria-label={`Select ${name}`} onChange={() => toggle(id)} />
        </span>
        {cells}
      </div>
    );
  },
  (before, after) => COMPARED.every((name) => before[name] === after[name]),
);
