/** The overrides in force, to be removed one by one or several at once. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { activeOverrides } from "../api/overrides";
import type { Override } from "../api/types";
import { useMoney } from "../prices/policy";
import { removeAll } from "../shell/changes";
import { notifyProblem } from "../shell/notices";
import { Moment, useNow } from "../ui/clock";
import { formatCountdown } from "../ui/format";
import { ProductName } from "./product-name";

export function Active() {
  const { data, error, isPending } = useQuery({
    queryKey: ["overrides"],
    queryFn: activeOverrides,
    refetchInterval: 3_000,
  });
  if (isPending) return <p className="loading">Loading…</p>;
  if (error) return <p className="error">{error.message}</p>;
  if (!data.length) {
    return (
      <div className="empty-note">
        <h2>No override is in force</h2>
        <p>Set one from the board (o on a row), from a product's page, or for many products from a CSV.</p>
      </div>
    );
  }
  return <Overrides all={data} />;
}

function Overrides({ all }: { all: Override[] }) {
  const queries = useQueryClient();
  const now = useNow();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [busy, setBusy] = useState(false);
  const chosen = all.filter((override) => selected.has(override.product_id));
  const remove = (overrides: Override[]) => {
    setBusy(true);
    removeAll(queries, overrides)
      .catch(notifyProblem)
      .finally(() => setBusy(false));
    setSelected(new Set());
  };
  const toggle = (id: string) => {
    const after = new Set(selected);
    if (!after.delete(id)) after.add(id);
    setSelected(after);
  };
  const selectAll = (checked: boolean) => setSelected(new Set(checked ? all.map((each) => each.product_id) : []));
  return (
    <>
      <div className="row">
        <p className="dim">{all.length === 1 ? "1 override" : `${all.length} overrides`} in force</p>
        <div className="spacer" />
        <button type="button" className="button" disabled={!chosen.length || busy} onClick={() => remove(chosen)}>
          Remove selected{chosen.length ? ` (${chosen.length})` : ""}
        </button>
      </div>
      <section className="scroll" aria-label="Overrides in force" tabIndex={0}>
        <table className="plain">
          <Heads allSelected={chosen.length === all.length} selectAll={selectAll} />
          <tbody>
            {all.map((override) => (
              <Line
                key={override.product_id}
                override={override}
                selected={selected.has(override.product_id)}
                toggle={() => toggle(override.product_id)}
                busy={busy}
                remove={() => remove([override])}
                now={now}
              />
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

interface HeadsProps {
  allSelected: boolean;
  selectAll: (checked: boolean) => void;
}

function Heads({ allSelected, selectAll }: HeadsProps) {
  return (
    <thead>
      <tr>
        <th scope="col">
          <input
            type="checkbox"
            aria-label="Select all"
            checked={allSelected}
            onChange={(event) => selectAll(event.target.checked)}
          />
        </th>
        <th scope="col">Product</th>
        <th scope="col">Price</th>
        <th scope="col">Reason</th>
        <th scope="col">By</th>
        <th scope="col">Since</th>
        <th scope="col">Ends</th>
        <th scope="col">
          <span className="visually-hidden">Actions</span>
        </th>
      </tr>
    </thead>
  );
}

interface LineProps {
  override: Override;
  selected: boolean;
  toggle: () => void;
  busy: boolean;
  remove: () => void;
  now: number;
}

function Line({ override, selected, toggle, busy, remove, now }: LineProps) {
  const money = useMoney();
  const { product_id, expires_at } = override;
  return (
    <tr>
      <td>
        <input type="checkbox" aria-label={`Select ${product_id}`} checked={selected} onChange={toggle} />
      </td>
      <td>
        <ProductName id={product_id} />
      </td>
      <td className="numbers">{money.format(override.override_price)}</td>
      <td>{override.reason}</td>
      <td>{override.set_by}</td>
      <td>
        <Moment at={override.set_at} />
      </td>
      <td className="numbers">
        {expires_at ? `in ${formatCountdown(Date.parse(expires_at), now)}` : "when removed"}
      </td>
      <td>
        <button
          type="button"
          className="button"
          disabled={busy}
          aria-label={`Remove the override of ${product_id}`}
          onClick={remove}
        >
          Remove
        </button>
      </td>
    </tr>
  );
}
