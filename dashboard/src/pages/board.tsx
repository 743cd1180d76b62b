/** All products, live: only what is on screen is drawn and subscribed to. */

import { useQuery } from "@tanstack/react-query";
import { createColumnHelper, flexRender, getCoreRowModel, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, Columns3, Snowflake, Star, Upload } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import {
  memo,
  useCallback,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type RefObject,
} from "react";
import { tinykeys } from "tinykeys";
import { useLocation, useSearch } from "wouter";
import { type Freeze, get } from "../api";
import { currencyCode, formatNumber, formatWhole } from "../lib/format";
import { isTyping, shortcut, withKey } from "../lib/keys";
import { open, opened } from "../parts/dialogs";
import { Age, ChangeText, Price, SourceTag, Sparkline, useNow } from "../parts/price";
import { density, watchlists } from "../state/preferences";
import type { Row } from "../state/prices";
import { useSignal } from "../state/signal";
import { freezeOf, usePrices, useStatus } from "../state/store";
import {
  arrange,
  COLUMNS,
  type Column,
  changeOf,
  moves,
  readView,
  type SortBy,
  type View,
  writeView,
} from "../state/view";

/** Rows move to their new places so often at most: a list that never stands still cannot be read. */
const ARRANGE_EVERY_MS = 3_000;
const POINTED_MS = 2_500;
const NO_FREEZES: Freeze[] = [];
const HEADS: Record<SortBy, string> = {
  product: "Product",
  price: "Price",
  change: "Change today",
  demand: "Demand",
  source: "Source",
  age: "Age",
};

interface Shown {
  row: Row;
  now: number;
  freeze: Freeze | undefined;
}

const column = createColumnHelper<Shown>();
const cells = [
  column.display({
    id: "product",
    cell: ({
      row: {
        original: { row },
      },
    }) => (
      <span className="product">
        <span className="name">{row.name || row.id}</span>
        <span className="dim">
          {row.name ? `${row.id}${row.category ? ` · ${row.category}` : ""}` : "not in the catalogue"}
        </span>
      </span>
    ),
  }),
  column.display({
    id: "price",
    cell: ({
      row: {
        original: { row },
      },
    }) => <Price price={row.price} moved={row.moved} movedAt={row.movedAt} currency={currencyCode()} />,
  }),
  column.display({
    id: "change",
    cell: ({
      row: {
        original: { row },
      },
    }) => <ChangeText change={changeOf(row)} />,
  }),
  column.display({
    id: "demand",
    cell: ({
      row: {
        original: { row },
      },
    }) => (
      <span className="demand">
        <Sparkline points={row.spark} />
        {formatNumber(row.demand)}
      </span>
    ),
  }),
  column.display({
    id: "source",
    cell: ({
      row: {
        original: { row, freeze },
      },
    }) => <SourceTag source={row.source} boundBy={row.boundBy} frozen={freeze !== undefined} />,
  }),
  column.display({
    id: "age",
    cell: ({
      row: {
        original: { row, now },
      },
    }) => <Age at={row.updatedAt} now={now} />,
  }),
];

export function Board() {
  const prices = usePrices();
  const search = useSearch();
  const [, go] = useLocation();
  const view = useMemo(() => readView(search), [search]);
  const setView = useCallback(
    (change: Partial<View>) => {
      const text = writeView({ ...view, ...change });
      go(text ? `/?${text}` : "/", { replace: true });
    },
    [view, go],
  );
  const pointedAt = useRef(Number.NEGATIVE_INFINITY);
  const ids = useArranged(view, pointedAt);
  const loading = useSignal(prices.loading);
  const { data: status } = useStatus();
  const freezes = status?.freezes ?? NO_FREEZES;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback((id: string) => {
    setSelected((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  }, []);
  const total = prices.rows.size;

  return (
    <div
      className="board"
      onPointerMove={() => {
        pointedAt.current = performance.now();
      }}
    >
      <h1 className="visually-hidden">Board: all products</h1>
      <Toolbar
        view={view}
        setView={setView}
        shown={ids.length}
        total={total}
        selected={selected}
        clear={() => setSelected(new Set())}
      />
      {loading.kind === "loading" ? (
        <p className="loading" role="status">
          Loading products: {formatWhole(loading.loaded)}
          {loading.total ? ` of ${formatWhole(loading.total)}` : ""}{" "}
          <progress
            max={loading.total || undefined}
            value={loading.total ? loading.loaded : undefined}
            aria-label="Products loaded"
          />
        </p>
      ) : null}
      {loading.kind === "failed" ? (
        <div className="empty" role="alert">
          <h2>Prices cannot be loaded</h2>
          <p>{loading.error} The page goes on trying.</p>
        </div>
      ) : total === 0 && loading.kind === "ready" ? (
        <FirstRun events={status?.flow?.events ?? 0} />
      ) : ids.length === 0 && loading.kind === "ready" ? (
        <div className="empty">
          <h2>No product fits</h2>
          <p>None of {formatWhole(total)} products has this name, category, source or watchlist.</p>
          <button type="button" className="button" onClick={() => go("/")}>
            Show all products
          </button>
        </div>
      ) : (
        <Rows ids={ids} view={view} setView={setView} freezes={freezes} selected={selected} toggle={toggle} />
      )}
    </div>
  );
}

function FirstRun({ events }: { events: number }) {
  return (
    <div className="empty">
      <h2>No price yet</h2>
      <p>
        {events
          ? "Events have arrived; the first price is on its way."
          : "No event has arrived yet. Prices appear here with the first one."}
      </p>
      <p>
        Send a day of a real shop: <code>python -m connectors.replay data/online-retail-2011-12-05.csv</code>
      </p>
      <p>
        Or a simulated one: <code>python -m connectors.simulator</code>
      </p>
    </div>
  );
}

/** The ids in the order of the view: at once when the view changes, now and then as prices move. */
function useArranged(view: View, pointedAt: RefObject<number>): string[] {
  const prices = usePrices();
  const wanted = useDeferredValue(view);
  const membership = useSyncExternalStore(prices.membership.subscribe, () => prices.membership.value);
  const [ids, setIds] = useState<string[]>(() => arrange(prices.rows, view));
  const last = useRef({ at: 0, view: wanted, timer: 0 });
  useEffect(() => {
    const state = last.current;
    const run = () => {
      state.at = performance.now();
      state.view = wanted;
      setIds(arrange(prices.rows, wanted));
    };
    clearTimeout(state.timer);
    // Products that appear while a page loads are many: not each of them is worth a new order.
    if (state.view !== wanted) run();
    else state.timer = window.setTimeout(run, Math.max(0, state.at + 250 - performance.now()));
    // Nothing moves from under a hand that is about to click.
    const unlessPointed = () => performance.now() - pointedAt.current > POINTED_MS && run();
    const moving = moves(wanted) ? setInterval(unlessPointed, ARRANGE_EVERY_MS) : undefined;
    return () => {
      clearInterval(moving);
      clearTimeout(state.timer);
    };
  }, [prices, wanted, membership, pointedAt]);
  return ids;
}

interface RowsProps {
  ids: string[];
  view: View;
  setView: (change: Partial<View>) => void;
  freezes: Freeze[];
  selected: ReadonlySet<string>;
  toggle: (id: string) => void;
}

function Rows({ ids, view, setView, freezes, selected, toggle }: RowsProps) {
  const prices = usePrices();
  const [, go] = useLocation();
  const scroller = useRef<HTMLDivElement>(null);
  const phone = useSyncExternalStore(PHONE.subscribe, () => PHONE.matches);
  const compact = useSignal(density) === "compact";
  const height = phone ? 76 : compact ? 34 : 48;
  // A product, not a place: rows move under it.
  const [chosen, setChosen] = useState<string | null>(null);
  const cursor = useMemo(() => (chosen === null ? -1 : ids.indexOf(chosen)), [ids, chosen]);
  const now = useNow();
  // Drawn again once a frame at most, and only what is on screen.
  useSyncExternalStore(prices.frame.subscribe, () => prices.frame.value);
  const virtual = useVirtualizer({
    count: ids.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 4,
    getItemKey: (index) => ids[index] ?? index,
  });
  useEffect(() => virtual.measure(), [height]);
  const items = virtual.getVirtualItems();
  const visible = items.map((item) => ids[item.index] ?? "").filter(Boolean);
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
  const drawn = new Map(table.getRowModel().rows.map((row) => [row.id, row]));
  const template = [
    "2.2rem",
    "minmax(14rem, 1fr)",
    ...COLUMNS.filter((name) => view.columns.includes(name)).map((name) => WIDTHS[name]),
  ].join(" ");

  useEffect(() => {
    const move = (by: number) => () => {
      const next = Math.min(ids.length - 1, Math.max(0, cursor + by));
      setChosen(ids[next] ?? null);
      virtual.scrollToIndex(next);
    };
    const at = () => ids[cursor];
    return tinykeys(window, {
      ArrowDown: shortcut(move(1)),
      ArrowUp: shortcut(move(-1)),
      j: shortcut(move(1)),
      k: shortcut(move(-1)),
      PageDown: shortcut(move(10)),
      PageUp: shortcut(move(-10)),
      Home: shortcut(move(-ids.length)),
      End: shortcut(move(ids.length)),
      Enter: (event) => {
        const id = at();
        // A focused button or link does what it is for.
        if (
          id &&
          !isTyping(event) &&
          !opened.value &&
          !(event.target as HTMLElement).closest("button, a, [role=menuitem]")
        ) {
          go(`/product/${encodeURIComponent(id)}`);
        }
      },
      x: shortcut(() => {
        const id = at();
        if (id) toggle(id);
      }),
      o: shortcut(() => {
        const chosen = selected.size ? [...selected] : [at() ?? ""].filter(Boolean);
        if (chosen.length) void withKey(() => open({ kind: "override", ids: chosen }));
      }),
    });
  }, [ids, cursor, virtual, go, toggle, selected]);

  return (
    <div className="grid" role="table" aria-label="Products" aria-rowcount={ids.length + 1}>
      <div role="rowgroup">
        <div role="row" className="head" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
          <span role="columnheader" className="visually-hidden-cell">
            <span className="visually-hidden">Selected</span>
          </span>
          {(["product", ...COLUMNS.filter((name) => view.columns.includes(name))] as SortBy[]).map((name) => (
            <Head key={name} name={name} view={view} setView={setView} />
          ))}
        </div>
      </div>
      <div className="rows" role="rowgroup" ref={scroller} tabIndex={0} aria-label="Products, scrolling">
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {items.map((item) => {
            const id = ids[item.index] ?? "";
            const row = drawn.get(id);
            if (!row) return null;
            return (
              <BoardRow
                key={id}
                stamp={row.original.row.stamp}
                tick={now}
                currency={currencyCode()}
                columns={view.columns.join()}
                frozen={row.original.freeze?.scope}
                index={item.index}
                top={item.start}
                height={height}
                template={template}
                selected={selected.has(id)}
                current={item.index === cursor}
                toggle={toggle}
                onOpen={go}
                cells={row.getVisibleCells().map((cell) => (
                  <span key={cell.id} role="cell" className={`cell ${cell.column.id}`}>
                    {flexRender(cell.column.columnDef.cell, cell.getContext())}
                  </span>
                ))}
                name={row.original.row.name || id}
                id={id}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface BoardRowProps {
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
  /** What decides whether the row looks different: cells are made anew with each frame. */
  stamp: number;
  tick: number;
  /** Known a moment after the first rows, with the first word of the system. */
  currency: string;
  columns: string;
  frozen: string | undefined;
}

const BoardRow = memo(
  function BoardRow({
    id,
    name,
    index,
    top,
    height,
    template,
    selected,
    current,
    cells: content,
    toggle,
    onOpen,
  }: BoardRowProps) {
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
        {content}
      </div>
    );
  },
  (before, after) =>
    before.stamp === after.stamp &&
    before.tick === after.tick &&
    before.currency === after.currency &&
    before.selected === after.selected &&
    before.current === after.current &&
    before.top === after.top &&
    before.height === after.height &&
    before.template === after.template &&
    before.columns === after.columns &&
    before.frozen === after.frozen &&
    before.toggle === after.toggle,
);

const WIDTHS: Record<Column, string> = {
  price: "8.5rem",
  change: "7.5rem",
  demand: "9.5rem",
  source: "12rem",
  age: "5rem",
};

const PHONE = (() => {
  const media = typeof window === "undefined" ? null : window.matchMedia("(max-width: 640px)");
  return {
    get matches() {
      return media?.matches ?? false;
    },
    subscribe: (listener: () => void) => {
      media?.addEventListener("change", listener);
      return () => media?.removeEventListener("change", listener);
    },
  };
})();

function Head({ name, view, setView }: { name: SortBy; view: View; setView: (change: Partial<View>) => void }) {
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

interface ToolbarProps {
  view: View;
  setView: (change: Partial<View>) => void;
  shown: number;
  total: number;
  selected: ReadonlySet<string>;
  clear: () => void;
}

function Toolbar({ view, setView, shown, total, selected, clear }: ToolbarProps) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(view.search);
  const { data } = useQuery({
    queryKey: ["categories"],
    queryFn: () => get<{ categories: string[] }>("/categories"),
    refetchInterval: 30_000,
  });
  useEffect(() => setText(view.search), [view.search]);
  useEffect(
    () =>
      tinykeys(window, {
        "/": shortcut(() => {
          field.current?.focus();
          field.current?.select();
        }),
      }),
    [],
  );
  const ids = [...selected];
  return (
    <div className="toolbar">
      <input
        ref={field}
        type="search"
        className="search"
        placeholder="Search name, id, category   /"
        aria-label="Search products"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setView({ search: event.target.value });
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          // Back to the rows; the browser would empty the field.
          event.preventDefault();
          event.currentTarget.blur();
        }}
      />
      <select
        aria-label="Category"
        value={view.category ?? ""}
        onChange={(event) => setView({ category: event.target.value || null })}
      >
        <option value="">All categories</option>
        {view.category && !data?.categories.includes(view.category) ? <option>{view.category}</option> : null}
        {data?.categories.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        aria-label="Source"
        value={view.source ?? ""}
        onChange={(event) => setView({ source: (event.target.value || null) as View["source"] })}
      >
        <option value="">All sources</option>
        <option value="dynamic">Dynamic</option>
        <option value="override">Override</option>
        <option value="base">Base</option>
        <option value="bounded">Bounded by a guardrail</option>
      </select>
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
      {ids.length ? (
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
      ) : null}
    </div>
  );
}

function Watchlists({
  view,
  setView,
  selected,
}: {
  view: View;
  setView: (change: Partial<View>) => void;
  selected: string[];
}) {
  const lists = useSignal(watchlists);
  const [naming, setNaming] = useState(false);
  const save = (name: string) => {
    watchlists.set({ ...lists, [name]: selected });
    setView({ list: { name, ids: selected } });
    setNaming(false);
  };
  if (naming) {
    return (
      <form
        className="inline"
        onSubmit={(event) => {
          event.preventDefault();
          const name = String(new FormData(event.currentTarget).get("name")).trim();
          if (name) save(name);
        }}
      >
        <input
          name="name"
          autoFocus
          maxLength={40}
          placeholder={`Name for ${selected.length} products`}
          aria-label="Name of the watchlist"
        />
        <button type="submit" className="button primary">
          Save
        </button>
        <button type="button" className="button" onClick={() => setNaming(false)}>
          Cancel
        </button>
      </form>
    );
  }
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="button">
        <Star size={15} aria-hidden="true" /> {view.list?.name ?? "Watchlists"}{" "}
        <ChevronDown size={14} aria-hidden="true" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start">
          <DropdownMenu.Item onSelect={() => setView({ list: null })}>All products</DropdownMenu.Item>
          {Object.entries(lists).map(([name, ids]) => (
            <DropdownMenu.Item key={name} onSelect={() => setView({ list: { name, ids } })}>
              {name} <span className="dim">{ids.length}</span>
            </DropdownMenu.Item>
          ))}
          <DropdownMenu.Separator className="separator" />
          <DropdownMenu.Item disabled={!selected.length} onSelect={() => setNaming(true)}>
            Save the selected rows…
          </DropdownMenu.Item>
          {view.list && lists[view.list.name] ? (
            <DropdownMenu.Item
              onSelect={() => {
                const { [view.list?.name ?? ""]: _, ...rest } = lists;
                watchlists.set(rest);
                setView({ list: null });
              }}
            >
              Delete “{view.list.name}”
            </DropdownMenu.Item>
          ) : null}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function ColumnMenu({ view, setView }: { view: View; setView: (change: Partial<View>) => void }) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="button wide-only" aria-label="Columns">
        <Columns3 size={15} aria-hidden="true" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start">
          {COLUMNS.map((name) => (
            <DropdownMenu.CheckboxItem
              key={name}
              checked={view.columns.includes(name)}
              onSelect={(event) => event.preventDefault()}
              onCheckedChange={(shown) =>
                setView({
                  columns: COLUMNS.filter((each) => (each === name ? shown : view.columns.includes(each))),
                })
              }
            >
              <DropdownMenu.ItemIndicator className="tick">✓</DropdownMenu.ItemIndicator>
              {HEADS[name]}
            </DropdownMenu.CheckboxItem>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
