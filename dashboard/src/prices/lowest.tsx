/** The lowest price of the last 30 days: the prior price that an announced reduction has to show in the EU. */

import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { Moment } from "../ui/clock";
import { formatPercent } from "../ui/format";
import { useMoney } from "./policy";

const DAYS = 30;
const STALE_MS = 60_000;

function useLowest(id: string) {
  const { data } = useQuery({
    queryKey: ["lowest", id],
    queryFn: () =>
      answer(
        api.GET("/price/{product_id}/lowest", { params: { path: { product_id: id }, query: { days: DAYS } } }),
      ),
    staleTime: STALE_MS,
    // Without a history database, or for a new product, there is nothing to say.
    retry: false,
  });
  return data?.lowest ?? null;
}

function useTag(id: string) {
  const { data } = useQuery({
    queryKey: ["price-tag", id],
    queryFn: () => answer(api.GET("/price-tags", { params: { query: { ids: id } } })),
    staleTime: STALE_MS,
    retry: false,
  });
  return data?.tags[0] ?? null;
}

/** A sentence with the lowest price, and one with the prior price that a reduction shows; draws nothing while they are not
 * known. */
export function LowestPrice({ id }: { id: string }) {
  const money = useMoney();
  const lowest = useLowest(id);
  const tag = useTag(id);
  if (!lowest) return null;
  return (
    <p className="dim small">
      Lowest price of the last {DAYS} days: <strong>{money.format(lowest.price)}</strong>, in force from{" "}
      <Moment at={lowest.since} />.
      {tag?.reference_price ? (
        <>
          {" "}
          The price is a reduction from <strong>{money.format(tag.reference_price)}</strong> (
          {formatPercent(-(tag.reduction_percent ?? 0))}).
        </>
      ) : null}
    </p>
  );
}

/** A warning for a new price that is below the old one, and not below the lowest one. */
export function ReductionWarning({ id, from, to }: { id: string; from: number | null; to: number | null }) {
  const money = useMoney();
  const lowest = useLowest(id);
  if (!lowest || !isNoReduction(lowest.price, from, to)) return null;
  return (
    <p className="warning">
      ⚠ Announced as a reduction, it would not be one: the price was {money.format(lowest.price)} within the last{" "}
      {DAYS} days.
    </p>
  );
}

/** True for a price that falls, but not below the lowest price. */
export function isNoReduction(lowest: number, from: number | null, to: number | null): boolean {
  return from !== null && to !== null && to < from && to >= lowest;
}
