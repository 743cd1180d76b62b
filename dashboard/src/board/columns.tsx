/** The columns of the board: heads, widths and cells. */

import { createColumnHelper } from "@tanstack/react-table";
import type { Freeze } from "../api/types";
import { changeOf, type Row } from "../live/row";
import { ChangeText, Price, SourceTag } from "../prices/price";
import { Age } from "../ui/clock";
import { formatNumber } from "../ui/format";
import { Sparkline } from "../ui/sparkline";
import { COLUMNS, type Column, type SortBy } from "./view";

export const HEADS: Record<SortBy, string> = {
  product: "Product",
  price: "Price",
  change: "Change today",
  demand: "Demand",
  source: "Source",
  age: "Age",
};
const WIDTHS: Record<Column, string> = {
  price: "8.5rem",
  change: "7.5rem",
  demand: "9.5rem",
  source: "12rem",
  age: "5rem",
};

/** The value of `grid-template-columns`: the check box, the product, and the columns that are shown. */
export function templateOf(columns: Column[]): string {
  return ["2.2rem", "minmax(14rem, 1fr)", ...inOrder(columns).map((name) => WIDTHS[name])].join(" ");
}

export function inOrder(columns: Column[]): Column[] {
  return COLUMNS.filter((name) => columns.includes(name));
}

/** The data of one line of the board. `now` is in milliseconds. */
export interface Shown {
  row: Row;
  now: number;
  freeze: Freeze | undefined;
}

const column = createColumnHelper<Shown>();
const cell = (id: SortBy, draw: (shown: Shown) => React.ReactNode) =>
  column.display({ id, cell: ({ row }) => draw(row.original) });

export const cells = [
  cell("product", ({ row }) => (
    <span className="product">
      <bdi className="name">{row.name || row.id}</bdi>
      <span className="dim">
        {row.name ? row.id : "not in the catalogue"}
        {row.name && row.category ? (
          <>
            {" · "}
            <bdi>{row.category}</bdi>
          </>
        ) : null}
      </span>
    </span>
  )),
  cell("price", ({ row }) => <Price price={row.price} moved={row.moved} movedAt={row.movedAt} />),
  cell("change", ({ row }) => <ChangeText change={changeOf(row)} />),
  cell("demand", ({ row }) => (
    <span className="demand">
      <Sparkline points={row.spark} />
      {formatNumber(row.demand)}
    </span>
  )),
  cell("source", ({ row, freeze }) => (
    <SourceTag source={row.source} boundBy={row.boundBy} frozen={freeze !== undefined} />
  )),
  cell("age", ({ row, now }) => <Age at={row.updatedAt} now={now} />),
];
