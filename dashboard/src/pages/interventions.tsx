/** What people have changed: overrides and freezes in force, and the audit trail of all there ever were. */

import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tabs } from "radix-ui";
import { useState } from "react";
import { Link as A, useLocation, useSearch } from "wouter";
import { activeOverrides, get, type Override, type PastFreeze, type PastOverride, query } from "../api";
import { formatCountdown, formatMoney } from "../lib/format";
import { withKey } from "../lib/keys";
import { open } from "../parts/dialogs";
import { Moment, useNow } from "../parts/price";
import { lift, removeAll } from "../state/interventions";
import { notify } from "../state/notices";
import { scopeText, useKeyState, usePrices, useStatus } from "../state/store";
import { NeedsKey } from "./product";

const TABS = { active: "Overrides in force", freezes: "Freezes", audit: "Audit trail" };
const say = (problem: unknown) => notify((problem as Error).message, "error");

export default function Interventions() {
  const hasKey = useKeyState() === "given";
  const search = useSearch();
  const [, go] = useLocation();
  const asked = new URLSearchParams(search).get("tab");
  const tab = asked && asked in TABS ? asked : "active";
  return (
    <div className="page">
      <header className="title">
        <div>
          <h1>Interventions</h1>
          <p className="dim">Prices that people have set, and prices that people have stopped.</p>
        </div>
        <div className="spacer" />
        <div className="buttons">
          <button type="button" className="button" onClick={() => void withKey(() => open({ kind: "bulk" }))}>
            Set from a CSV…
          </button>
          <button
            type="button"
            className="button danger"
            onClick={() => void withKey(() => open({ kind: "freeze", scope: "all" }))}
          >
            Freeze…
          </button>
        </div>
      </header>
      <Tabs.Root value={tab} onValueChange={(name) => go(`/interventions?tab=${name}`, { replace: true })}>
        <Tabs.List className="tabs" aria-label="Interventions">
          {Object.entries(TABS).map(([name, title]) => (
            <Tabs.Trigger key={name} value={name}>
              {title}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <Tabs.Content value="active" className="card">
          {hasKey ? <Active /> : <NeedsKey what="Overrides" />}
        </Tabs.Content>
        <Tabs.Content value="freezes" className="card">
          <Freezes />
        </Tabs.Content>
        <Tabs.Content value="audit" className="card">
          {hasKey ? <Audit /> : <NeedsKey what="The audit trail" />}
        </Tabs.Content>
      </Tabs.Root>
    </div>
  );
}

function ProductName({ id }: { id: string }) {
  const prices = usePrices();
  const name = prices.rows.get(id)?.name;
  return (
    <A href={`/product/${encodeURIComponent(id)}`}>
      {name || id}
      {name ? <span className="dim"> {id}</span> : null}
    </A>
  );
}

function Active() {
  const queries = useQueryClient();
  const now = useNow();
  const { data, error, isPending } = useQuery({
    queryKey: ["overrides"],
    queryFn: activeOverrides,
    refetchInterval: 3_000,
  });
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [busy, setBusy] = useState(false);
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
  const chosen = data.filter((override) => selected.has(override.product_id));
  const remove = (overrides: Override[]) => {
    setBusy(true);
    removeAll(queries, overrides)
      .catch(say)
      .finally(() => setBusy(false));
    setSelected(new Set());
  };
  return (
    <>
      <div className="row">
        <p className="dim">{data.length === 1 ? "1 override" : `${data.length} overrides`} in force</p>
        <div className="spacer" />
        <button type="button" className="button" disabled={!chosen.length || busy} onClick={() => remove(chosen)}>
          Remove selected{chosen.length ? ` (${chosen.length})` : ""}
        </button>
      </div>
      <section className="scroll" aria-label="Overrides in force" tabIndex={0}>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">
                <input
                  type="checkbox"
                  aria-label="Select all"
                  checked={chosen.length === data.length}
                  onChange={(event) =>
                    setSelected(new Set(event.target.checked ? data.map((each) => each.product_id) : []))
                  }
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
          <tbody>
            {data.map((override) => (
              <tr key={override.product_id}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Select ${override.product_id}`}
                    checked={selected.has(override.product_id)}
                    onChange={() => {
                      const after = new Set(selected);
                      if (!after.delete(override.product_id)) after.add(override.product_id);
                      setSelected(after);
                    }}
                  />
                </td>
                <td>
                  <ProductName id={override.product_id} />
                </td>
                <td className="numbers">{formatMoney(override.override_price)}</td>
                <td>{override.reason}</td>
                <td>{override.set_by}</td>
                <td>
                  <Moment at={override.set_at} />
                </td>
                <td className="numbers">
                  {override.expires_at
                    ? `in ${formatCountdown(Date.parse(override.expires_at), now)}`
                    : "when removed"}
                </td>
                <td>
                  <button
                    type="button"
                    className="button"
                    disabled={busy}
                    aria-label={`Remove the override of ${override.product_id}`}
                    onClick={() => remove([override])}
                  >
                    Remove
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

function Freezes() {
  const queries = useQueryClient();
  const prices = usePrices();
  const { data: status, isPending } = useStatus();
  const hasKey = useKeyState() === "given";
  const nameOf = (id: string) => prices.rows.get(id)?.name;
  const past = useQuery({
    queryKey: ["audit", "freezes"],
    enabled: hasKey,
    queryFn: () => get<{ freezes: PastFreeze[] }>("/freezes/audit?limit=100"),
  });
  if (isPending) return <p className="loading">Loading…</p>;
  const freezes = status?.freezes;
  return (
    <>
      {freezes == null ? (
        <p className="error">The price store does not answer, so freezes cannot be listed.</p>
      ) : null}
      {freezes?.length === 0 ? (
        <div className="empty-note">
          <h2>Nothing is frozen</h2>
          <p>A freeze holds all prices, a category or a product as they are, until it is lifted.</p>
        </div>
      ) : null}
      <ul className="list">
        {freezes?.map((freeze) => (
          <li key={freeze.scope}>
            <div>
              <strong>{scopeText(freeze.scope, nameOf)}</strong>
              <p className="dim">
                “{freeze.reason}”, {freeze.set_by}, <Moment at={freeze.set_at} />
              </p>
            </div>
            <button
              type="button"
              className="button"
              onClick={() => void withKey(() => lift(queries, freeze.scope, freeze.reason).catch(say))}
            >
              Lift
            </button>
          </li>
        ))}
      </ul>
      <h2>Earlier freezes</h2>
      {!hasKey ? <NeedsKey what="Earlier freezes" /> : null}
      {past.error ? <p className="error">{past.error.message}</p> : null}
      {past.data?.freezes.length === 0 ? <p className="empty-note">There were none.</p> : null}
      <ul className="list">
        {past.data?.freezes
          .filter((freeze) => freeze.lifted_at)
          .map((freeze) => (
            <li key={freeze.scope + freeze.set_at}>
              <div>
                <strong>{scopeText(freeze.scope, nameOf)}</strong>
                <p className="dim">
                  “{freeze.reason}”, {freeze.set_by}, <Moment at={freeze.set_at} /> to{" "}
                  {freeze.lifted_at ? <Moment at={freeze.lifted_at} /> : "now"}
                </p>
              </div>
            </li>
          ))}
      </ul>
    </>
  );
}

interface AuditPage {
  overrides: PastOverride[];
  next_cursor: string | null;
}

function Audit() {
  const [productId, setProductId] = useState("");
  const pages = useInfiniteQuery({
    queryKey: ["audit", "overrides", productId],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      get<AuditPage>(`/overrides/audit?${query({ product_id: productId || null, limit: 50, cursor: pageParam })}`),
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
  });
  const rows = pages.data?.pages.flatMap((page) => page.overrides) ?? [];
  return (
    <>
      <label className="field narrow">
        <span>Only this product</span>
        <input
          placeholder="product id"
          value={productId}
          onChange={(event) => setProductId(event.target.value.trim())}
        />
      </label>
      {pages.error ? (
        <p className="error" role="alert">
          {pages.error.message}
        </p>
      ) : null}
      {pages.isPending ? <p className="loading">Loading…</p> : null}
      {!pages.isPending && !pages.error && rows.length === 0 ? (
        <p className="empty-note">No override was ever set.</p>
      ) : null}
      {rows.length ? (
        <section className="scroll" aria-label="All overrides there ever were" tabIndex={0}>
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Set</th>
                <th scope="col">Product</th>
                <th scope="col">Price</th>
                <th scope="col">Reason</th>
                <th scope="col">By</th>
                <th scope="col">Ended</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((override) => (
                <tr key={`${override.product_id} ${override.set_at} ${override.override_price}`}>
                  <td>
                    <Moment at={override.set_at} />
                  </td>
                  <td>
                    <ProductName id={override.product_id} />
                  </td>
                  <td className="numbers">{formatMoney(override.override_price)}</td>
                  <td>{override.reason}</td>
                  <td>{override.set_by}</td>
                  <td>
                    {override.removed_at ? (
                      <Moment at={override.removed_at} />
                    ) : (
                      <span className="tag override">in force</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ) : null}
      {pages.hasNextPage ? (
        <button
          type="button"
          className="button"
          disabled={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {pages.isFetchingNextPage ? "Loading…" : "Earlier ones"}
        </button>
      ) : null}
    </>
  );
}
