/** The table of the inventory: only the lines on the screen are drawn. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { TriangleAlert } from "lucide-react";
import { useCallback, useMemo, useRef, useState } from "react";
import { Link as A, useLocation } from "wouter";
import type { Stocked } from "../api/types";
import { useMoney } from "../prices/policy";
import { useCursorKeys } from "../shell/use-cursor-keys";
import { useNow } from "../ui/clock";
import { formatAge, formatNumber, formatWhole } from "../ui/format";
import { usePhone } from "../ui/phone";
import { COLUMNS, type Column, type View } from "./stock";

const HEADS: Record<Column, string> = {
  product: "Product",
  stock: "Stock",
  cover: "Days of cover",
  clicks: "Clicks, 15 min",
  competitor: "Cheapest competitor",
  price: "Price",
};
const TEMPLATE = "minmax(11rem, 1fr) 14rem 8rem 8rem 15rem 7rem";
/** This number of clicks fills the bar. */
const HOT = 100;

interface Props {
  rows: Stocked[];
  view: View;
  setView: (change: Partial<View>) => void;
}

export function Rows({ rows, view, setView }: Props) {
  const [, go] = useLocation();
  const now = useNow();
  const scroller = useRef<HTMLDivElement>(null);
  const phone = usePhone();
  const height = phone ? 84 : 42;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 4,
    getItemKey: (index) => rows[index]?.product_id ?? index,
  });
  const ids = useMemo(() => rows.map((row) => row.product_id), [rows]);
  const [chosen, setChosen] = useState<string | null>(null);
  const cursor = chosen === null ? -1 : ids.indexOf(chosen);
  const moveTo = useCallback(
    (index: number) => {
      setChosen(ids[index] ?? null);
      virtual.scrollToIndex(index);
    },
    [ids, virtual],
  );
  const onOpen = useCallback((id: string) => go(`/product/${encodeURIComponent(id)}`), [go]);
  useCursorKeys(ids, { at: cursor, moveTo }, onOpen);
  return (
    <div className="grid" role="table" aria-label="Inventory" aria-rowcount={rows.length + 1}>
      <Head view={view} setView={setView} />
      <div className="rows" role="rowgroup" ref={scroller} tabIndex={0} aria-label="Inventory, scrolling">
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            const current = item.index === cursor;
            return (
              <div
                key={row.product_id}
                role="row"
                tabIndex={-1}
                aria-rowindex={item.index + 2}
                aria-current={current || undefined}
                className={`line${current ? " current" : ""}`}
                style={{ transform: `translateY(${item.start}px)`, height, gridTemplateColumns: TEMPLATE }}
                onClick={(event) => {
                  // A link opens by itself, perhaps in another tab.
                  if (!(event.target as HTMLElement).closest("a")) onOpen(row.product_id);
                }}
              >
                <Cells row={row} now={now} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Head({ view, setView }: Omit<Props, "rows">) {
  return (
    <div role="rowgroup">
      <div role="row" className="head" aria-rowindex={1} style={{ gridTemplateColumns: TEMPLATE }}>
        {COLUMNS.map((name) => {
          const sorted = view.sort === name;
          const direction = sorted ? (view.descending ? "descending" : "ascending") : "none";
          const first = name === "clicks";
          return (
            <span key={name} role="columnheader" aria-sort={direction} className={`cell ${name}`}>
              <button
                type="button"
                onClick={() => setView({ sort: name, descending: sorted ? !view.descending : first })}
              >
                {HEADS[name]} <span aria-hidden="true">{sorted ? (view.descending ? "↓" : "↑") : ""}</span>
              </button>
            </span>
          );
        })}
      </div>
    </div>
  );
}

function Cells({ row, now }: { row: Stocked; now: number }) {
  const money = useMoney();
  const heat = Math.min(1, row.clicks_15m / HOT);
  return (
    <>
      <span role="cell" className="cell product">
        <A href={`/product/${encodeURIComponent(row.product_id)}`} className="name" tabIndex={-1}>
          <bdi>{row.name ?? row.product_id}</bdi>
        </A>
        {row.name ? <span className="dim small">{row.product_id}</span> : null}
      </span>
      <span role="cell" className="cell stock">
        <Stock row={row} />
      </span>
      <span role="cell" className="cell cover">
        {row.days_of_cover === null ? (
          <span className="dim">—</span>
        ) : (
          <>
            {formatNumber(row.days_of_cover)} <span className="unit dim small">days of cover</span>
          </>
        )}
      </span>
      <span role="cell" className="cell clicks">
        <span className="heat" style={{ inlineSize: `${heat * 100}%` }} aria-hidden="true" />
        {formatWhole(row.clicks_15m)} <span className="unit dim small">clicks</span>
      </span>
      <span role="cell" className="cell competitor">
        {row.min_competitor_price === null ? (
          <span className="dim">none</span>
        ) : (
          <>
            {money.format(row.min_competitor_price)}{" "}
            <span className="dim small">
              <bdi>{row.competitor}</bdi>
              {row.quoted_at_ms === null ? "" : `, ${formatAge(now - row.quoted_at_ms)}`}
            </span>
          </>
        )}
      </span>
      <span role="cell" className="cell price">
        {row.price === null ? <span className="dim">none</span> : money.format(row.price)}
      </span>
    </>
  );
}

function Stock({ row }: { row: Stocked }) {
  if (row.stock === null) return <span className="dim">not known</span>;
  return (
    <>
      {formatNumber(row.stock)} <span className="tag">{row.stock_category}</span>{" "}
      {row.oversold > 0 ? (
        <span className="tag oversold">
          <TriangleAlert size={11} aria-hidden="true" /> oversold by {formatNumber(row.oversold)}
        </span>
      ) : row.needs_reorder ? (
        <span className="tag reorder">reorder</span>
      ) : null}
    </>
  );
}
