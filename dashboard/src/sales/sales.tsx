/** The sales: what orders earned, by product, category, day, policy, source or rule. Its address is `/earned`, because `/sales`
 * is the route of the API. */

import { useQuery } from "@tanstack/react-query";
import { Download, TriangleAlert } from "lucide-react";
import { Link as A } from "wouter";
import type { SalesGroup } from "../api/types";
import { useMoney } from "../prices/policy";
import { usePrices } from "../prices/store";
import { NeedsKey } from "../shell/needs-key";
import { useKeyState } from "../shell/session";
import { download, toCsv } from "../ui/csv";
import { formatPercent, formatWhole } from "../ui/format";
import { Problem } from "../ui/problem";
import { useView } from "../ui/use-view";
import { Chart } from "./chart";
import {
  type By,
  GROUPS,
  RANGES,
  type Range,
  readGroups,
  readOversold,
  readView,
  totalOf,
  type View,
  writeView,
} from "./groups";
import "./sales.css";

const READ_EVERY_MS = 5_000;

export default function Sales() {
  const [view, setView] = useView("/earned", readView, writeView);
  const hasKey = useKeyState() === "given";
  const read = useQuery({
    queryKey: ["sales", view],
    enabled: hasKey,
    queryFn: () => readGroups(view, Date.now()),
    refetchInterval: READ_EVERY_MS,
    placeholderData: (before) => before,
    retry: false,
  });
  const groups = read.data ?? [];
  const prices = usePrices();
  const nameOf = (by: By) => (key: string) =>
    by === "product" ? prices.rows.get(key)?.name || key : key || "no category";
  return (
    <div className="page sales-page">
      <header className="row">
        <h1>Sales</h1>
        <Choice label="By" options={GROUPS} chosen={view.by} choose={(by) => setView({ by })} />
        <div className="spacer" />
        <Ranges view={view} setView={setView} />
        <button
          type="button"
          className="button"
          disabled={groups.length === 0}
          onClick={() => download(`sales-by-${view.by}.csv`, toCsv(groups as unknown as Record<string, unknown>[]))}
        >
          <Download size={15} aria-hidden="true" /> CSV
        </button>
      </header>
      {!hasKey ? (
        <NeedsKey what="Sales" />
      ) : read.error ? (
        <Problem text={read.error.message} />
      ) : read.isPending ? (
        <p className="loading" role="status">
          Loading the sales…
        </p>
      ) : groups.length === 0 ? (
        <Nothing view={view} />
      ) : (
        <>
          {view.by === "rule" ? null : <Totals groups={groups} />}
          <Chart groups={groups} by={view.by} nameOf={nameOf(view.by)} />
          <Groups groups={groups} by={view.by} nameOf={nameOf(view.by)} />
        </>
      )}
    </div>
  );
}

function Choice<Name extends string>({
  label,
  options,
  chosen,
  choose,
}: {
  label: string;
  options: Record<Name, string>;
  chosen: Name;
  choose: (name: Name) => void;
}) {
  return (
    <label className="row">
      <span className="dim">{label}</span>
      <select value={chosen} onChange={(event) => choose(event.target.value as Name)}>
        {(Object.keys(options) as Name[]).map((name) => (
          <option key={name} value={name}>
            {options[name]}
          </option>
        ))}
      </select>
    </label>
  );
}

function Ranges({ view, setView }: { view: View; setView: (change: Partial<View>) => void }) {
  return (
    <div className="segmented" role="radiogroup" aria-label="Range">
      {(Object.keys(RANGES) as Range[]).map((each) => (
        <label key={each}>
          <input
            type="radio"
            name="range"
            checked={view.range === each}
            onChange={() => setView({ range: each })}
          />
          <span>{each}</span>
        </label>
      ))}
    </div>
  );
}

function Nothing({ view }: { view: View }) {
  return (
    <div className="empty">
      <h2>No sales{view.range === "all" ? " yet" : " in this time"}</h2>
      <p>
        Orders come on the topic <code>orders</code>, or from a table by the flow of tables. The flow of sales,{" "}
        <code>python -m bytewax.run dataflows.sales</code>, gives each the price of its moment.
      </p>
    </div>
  );
}

function Totals({ groups }: { groups: SalesGroup[] }) {
  const money = useMoney();
  const total = totalOf(groups);
  const oversold = useQuery({ queryKey: ["oversold"], queryFn: readOversold, refetchInterval: READ_EVERY_MS }).data;
  return (
    <dl className="totals">
      <div>
        <dt>Revenue</dt>
        <dd>{money.format(total.revenue)}</dd>
      </div>
      <div>
        <dt>Margin</dt>
        <dd>{total.margin === null ? "not known" : money.format(total.margin)}</dd>
      </div>
      <div>
        <dt>Orders</dt>
        <dd>{formatWhole(total.orders)}</dd>
      </div>
      <div>
        <dt>Units</dt>
        <dd>{formatWhole(total.units)}</dd>
      </div>
      {total.unpriced > 0 ? (
        <div className="unpriced">
          <dt>
            <TriangleAlert size={13} aria-hidden="true" /> Unpriced
          </dt>
          <dd>{formatWhole(total.unpriced)}</dd>
        </div>
      ) : null}
      {oversold && oversold.products > 0 ? (
        <div className="unpriced">
          <dt>
            <TriangleAlert size={13} aria-hidden="true" /> Oversold
          </dt>
          <dd>
            <A href="/stock">
              {formatWhole(oversold.units)} units of {formatWhole(oversold.products)}
              {oversold.more ? "+" : ""} products
            </A>
          </dd>
        </div>
      ) : null}
    </dl>
  );
}

interface GroupsProps {
  groups: SalesGroup[];
  by: By;
  nameOf: (key: string) => string;
}

function Groups({ groups, by, nameOf }: GroupsProps) {
  const money = useMoney();
  const amount = (value: number | null) => (value === null ? <span className="dim">—</span> : money.format(value));
  return (
    <div className="figures card">
      <table>
        <thead>
          <tr>
            <th scope="col">{GROUPS[by]}</th>
            <th scope="col">{by === "rule" ? "Amount" : "Revenue"}</th>
            <th scope="col">Margin</th>
            <th scope="col">Uplift</th>
            <th scope="col">Orders</th>
            <th scope="col">Units</th>
            <th scope="col">Unpriced</th>
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <tr key={group.key}>
              <th scope="row">
                <Key name={group.key} by={by} nameOf={nameOf} />
              </th>
              <td>{money.format(group.revenue)}</td>
              <td>{amount(group.margin)}</td>
              <td className={(group.uplift_percent ?? 0) < 0 ? "down" : "up"}>
                {group.uplift_percent === null ? (
                  <span className="dim">—</span>
                ) : (
                  formatPercent(group.uplift_percent)
                )}
              </td>
              <td>{formatWhole(group.orders)}</td>
              <td>{formatWhole(group.units)}</td>
              <td className={group.unpriced ? "down" : "dim"}>{formatWhole(group.unpriced)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Key({ name, by, nameOf }: { name: string; by: By; nameOf: (key: string) => string }) {
  const shown = <bdi>{nameOf(name)}</bdi>;
  return by === "product" ? <A href={`/product/${encodeURIComponent(name)}`}>{shown}</A> : shown;
}
