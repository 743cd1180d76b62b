/** The page of one product: its price over time, the reasons for it, past decisions, and ways to change it. */

import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { ApiError, answer, api } from "../api/client";
import { usePrices, useRow } from "../prices/store";
import { open } from "../shell/dialogs/opened";
import { shortcut } from "../shell/keys";
import { withKey } from "../shell/session";
import { useNow } from "../ui/clock";
import { ActiveOverride } from "./active-override";
import { ChartCard } from "./chart-card";
import { Decisions } from "./decisions";
import { StockCard } from "./stock-card";
import { Title } from "./title";
import { WhyCard } from "./why";
import "./product.css";

const EXPLAIN_EVERY_MS = 5_000;

export default function Product({ id }: { id: string }) {
  const row = useRow(id);
  const now = useNow();
  const version = row?.version ?? 0;
  useWatched(id);
  useProductKeys(id);
  const explanation = useQuery({
    queryKey: ["explain", id, row?.version],
    queryFn: () => answer(api.GET("/price/{product_id}/explain", { params: { path: { product_id: id } } })),
    placeholderData: (before) => before,
    // Stock and clicks change without a new version.
    refetchInterval: EXPLAIN_EVERY_MS,
  });
  const missing = explanation.error instanceof ApiError && explanation.error.status === 404;
  return (
    <div className="page product-page">
      <Title id={id} row={row} now={now} />
      {missing ? (
        <div className="empty">
          <h2>Nobody knows this product</h2>
          <p>No event and no catalogue entry has named “{id}” yet.</p>
        </div>
      ) : (
        <>
          <ActiveOverride id={id} overridden={row?.source === "override"} now={now} />
          <div className="columns">
            <ChartCard id={id} version={version} />
            <WhyCard explanation={explanation} />
          </div>
          <StockCard explanation={explanation.data} />
          <Decisions id={id} version={version} />
        </>
      )}
    </div>
  );
}

/** Live updates of this product, and of no other. */
function useWatched(id: string): void {
  const prices = usePrices();
  useEffect(() => prices.link.watch([id]), [prices, id]);
}

function useProductKeys(id: string): void {
  const [, go] = useLocation();
  useEffect(() => {
    return tinykeys(window, {
      Escape: shortcut(() => go("/")),
      o: shortcut(() => void withKey(() => open({ kind: "override", ids: [id] }))),
    });
  }, [id, go]);
}
