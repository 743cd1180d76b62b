/** The lines of the board: only those on the screen are drawn, and subscribed to. */

import { flexRender, getCoreRowModel, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useLocation } from "wouter";
import type { Freeze } from "../api/types";
import { freezeOf } from "../prices/freezes";
import { usePrices } from "../prices/store";
import { density } from "../shell/preferences";
import { useNow } from "../ui/clock";
import { usePhone } from "../ui/phone";
import { useSignal } from "../ui/signal";
import { cells, type Shown, templateOf } from "./columns";
import { Head } from "./head";
import { Line } from "./line";
import { useRowKeys } from "./use-row-keys";
import { COLUMNS, type View } from "./view";

interface Props {
  ids: string[];
  view: View;
  setView: (change: Partial<View>) => void;
  freezes: Freeze[];
  selected: ReadonlySet<string>;
  toggle: (id: string) => void;
}

export function Rows({ ids, view, setView, freezes, selected, toggle }: Props) {
  const [, go] = useLocation();
  const scroller = useRef<HTMLDivElement>(null);
  const height = useLineHeight();
  const now = useNow();
  const virtual = useVirtualizer({
    count: ids.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 4,
    getItemKey: (index) => ids[index] ?? index,
  });
  useEffect(() => virtual.measure(), [height]);
  // The cursor is a product, not a position: rows move under it.
  const [chosen, setChosen] = useState<string | null>(null);
  const cursor = useMemo(() => (chosen === null ? -1 : ids.indexOf(chosen)), [ids, chosen]);
  const moveTo = useCallback(
    (index: number) => {
      setChosen(ids[index] ?? null);
      virtual.scrollToIndex(index);
    },
    [ids, virtual],
  );
  useRowKeys(ids, { at: cursor, moveTo }, selected, toggle);
  const items = virtual.getVirtualItems();
  const visible = items.map((item) => ids[item.index] ?? "").filter(Boolean);
  const drawn = useDrawn(visible, view, freezes, now);
  const template = templateOf(view.columns);

  return (
    <div className="grid" role="table" aria-label="Products" aria-rowcount={ids.length + 1}>
      <Head view={view} setView={setView} />
      <div className="rows" role="rowgroup" ref={scroller} tabIndex={0} aria-label="Products, scrolling">
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {items.map((item) => {
            const id = ids[item.index] ?? "";
            const row = drawn.get(id);
            if (!row) return null;
            return (
              <Line
                key={id}
                id={id}
                name={row.original.row.name || id}
                index={item.index}
                top={item.start}
                height={height}
                template={template}
                selected={selected.has(id)}
                current={item.index === cursor}
                cells={row.getVisibleCells().map((cell) => (
                  <span key={cell.id} role="cell" className={`cell ${cell.column.id}`}>
                    {flexRender(cell.column.columnDef.cell, cell.getContext())}
                  </span>
                ))}
                toggle={toggle}
                onOpen={go}
                stamp={row.original.row.stamp}
                tick={now}
                columns={view.columns.join()}
                frozen={row.original.freeze?.scope}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** The height of a line in pixels. */
function useLineHeight(): number {
  const phone = usePhone();
  const compact = useSignal(density) === "compact";
  return phone ? 76 : compact ? 34 : 48;
}

/** The table's rows for the products on the screen, by id. The live link watches these products. */
function useDrawn(visible: string[], view: View, freezes: Freeze[], now: number) {
  const prices = usePrices();
  // Drawn again once a frame at most.
  useSyncExternalStore(prices.frame.subscribe, () => prices.frame.value);
  const key = visible.join(",");
  useEffect(() => {
    const timer = setTimeout(() => prices.link.watch(visible), 80);
    return () => clearTimeout(timer);
  }, [key, prices]);
  const data = visible.flatMap((id): Shown[] => {
    const row = prices.rows.get(id);
    return row ? [{ row, now, freeze: freezeOf(freezes, id, row.category) }] : [];
  });
  const table = useReactTable({
    data,
    columns: cells,
    getCoreRowModel: getCoreRowModel(),
    getRowId: ({ row }) => row.id,
    manualSorting: true,
    // Rows are new with every frame; nothing of the table's state depends on them.
    autoResetAll: false,
    manualPagination: true,
    state: { columnVisibility: Object.fromEntries(COLUMNS.map((name) => [name, view.columns.includes(name)])) },
  });
  return new Map(table.getRowModel().rows.map((row) => [row.id, row]));
}
