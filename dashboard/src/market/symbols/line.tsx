/** One line of the symbols. */

import { memo } from "react";
import type { MarketRow } from "../store/row";
import { Cells, TEMPLATE } from "./columns";

interface Props {
  row: MarketRow;
  index: number;
  top: number;
  height: number;
  current: boolean;
  now: number;
  /** Grows with each change of the row, which changes in place. */
  stamp: number;
  onOpen: (symbol: string) => void;
}

export const Line = memo(function Line({ row, index, top, height, current, now, onOpen }: Props) {
  return (
    <div
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-current={current || undefined}
      className={`line${current ? " current" : ""}`}
      style={{ transform: `translateY(${top}px)`, height, gridTemplateColumns: TEMPLATE }}
      onClick={(event) => {
        // A link opens by itself, perhaps in another tab.
        if (!(event.target as HTMLElement).closest("a")) onOpen(row.symbol);
      }}
    >
      <Cells row={row} now={now} />
    </div>
  );
});
