/** The columns of the symbols: heads, widths and cells. */

import { TriangleAlert } from "lucide-react";
import { Link as A } from "wouter";
import { ChangeText } from "../../prices/price";
import { Age } from "../../ui/clock";
import { Sparkline } from "../../ui/sparkline";
import { addressOf } from "../address";
import { MovingPrice } from "../moving-price";
import { formatVolume } from "../prices";
import { changeOf, type MarketRow, markOf } from "../store/row";
import type { Column } from "./view";

export const HEADS: Record<Column | "symbol", string> = {
  symbol: "Symbol",
  price: "Price",
  change: "Change today",
  today: "Today",
  volume: "Last volume",
  age: "Last tick",
};

/** The value of `grid-template-columns`. */
export const TEMPLATE = "minmax(12rem, 1fr) 11rem 8rem 7.5rem 8rem 6.5rem";

export function Cells({ row, now }: { row: MarketRow; now: number }) {
  return (
    <>
      <span role="cell" className="cell symbol">
        <A href={addressOf(row.symbol)} className="name" tabIndex={-1}>
          {row.symbol}
        </A>
        <Mark text={markOf(row)} />
      </span>
      <span role="cell" className="cell price">
        <MovingPrice price={row.price} moved={row.moved} movedAt={row.movedAt} />
      </span>
      <span role="cell" className="cell change">
        <ChangeText change={changeOf(row)} />
      </span>
      <span role="cell" className="cell today">
        <Sparkline points={row.spark?.closes ?? []} width={96} />
        <span className="visually-hidden">line of the day</span>
      </span>
      <span role="cell" className="cell volume">
        {formatVolume(row.volume)}
      </span>
      <span role="cell" className="cell age">
        <Age at={row.tsUs / 1000} now={now} />
      </span>
    </>
  );
}

/** The mark of an anomaly; `text` is null for none. */
export function Mark({ text }: { text: string | null }) {
  if (text === null) return null;
  return (
    <span className="tag anomaly" title={text}>
      <TriangleAlert size={12} aria-hidden="true" /> <span className="word">anomaly</span>
      <span className="visually-hidden">: {text}</span>
    </span>
  );
}
