/** The audit trail: all overrides that were ever set, newest first. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { PastOverride } from "../api/types";
import { useMoney } from "../prices/policy";
import { Moment } from "../ui/clock";
import { More } from "../ui/more";
import { Problem } from "../ui/problem";
import { ProductName } from "./product-name";

const OVERRIDES_A_PAGE = 50;

export function Audit() {
  const [productId, setProductId] = useState("");
  const pages = useInfiniteQuery({
    queryKey: ["audit", "overrides", productId],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor }) => {
      const query = { product_id: productId || undefined, limit: OVERRIDES_A_PAGE, cursor };
      return answer(api.GET("/overrides/audit", { params: { query } }));
    },
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
      <Problem text={pages.error?.message} />
      {pages.isPending ? <p className="loading">Loading…</p> : null}
      {!pages.isPending && !pages.error && rows.length === 0 ? (
        <p className="empty-note">No override was ever set.</p>
      ) : null}
      {rows.length ? <Trail rows={rows} /> : null}
      <More pages={pages} text="Earlier ones" />
    </>
  );
}

function Trail({ rows }: { rows: PastOverride[] }) {
  return (
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
            <Line
              key={`${override.product_id} ${override.set_at} ${override.override_price}`}
              override={override}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ override }: { override: PastOverride }) {
  const money = useMoney();
  return (
    <tr>
      <td>
        <Moment at={override.set_at} />
      </td>
      <td>
        <ProductName id={override.product_id} />
      </td>
      <td className="numbers">{money.format(override.override_price)}</td>
      <td>{override.reason}</td>
      <td>{override.set_by}</td>
      <td>
        {override.removed_at ? <Moment at={override.removed_at} /> : <span className="tag override">in force</span>}
      </td>
    </tr>
  );
}
