/** The name of a product, with its id, as a link to its page. */

import { Link as A } from "wouter";
import { usePrices } from "../prices/store";

export function ProductName({ id }: { id: string }) {
  const prices = usePrices();
  const name = prices.rows.get(id)?.name;
  return (
    <A href={`/product/${encodeURIComponent(id)}`}>
      <bdi>{name || id}</bdi>
      {name ? <span className="dim"> {id}</span> : null}
    </A>
  );
}
