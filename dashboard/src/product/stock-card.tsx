/** Stock, clicks and competitors of a product, as the explanation of its price has them. Draws nothing if none is known. */

import type { Explanation } from "../api/types";
import { useMoney } from "../prices/policy";
import { Moment } from "../ui/clock";
import { formatNumber, formatWhole } from "../ui/format";

export function StockCard({ explanation }: { explanation: Explanation | undefined }) {
  const money = useMoney();
  const inputs = explanation?.inputs;
  if (!inputs || !isKnown(inputs)) return null;
  const ignored = inputs.echoes + inputs.outside_band;
  return (
    <section className="card" aria-labelledby="stock">
      <h2 id="stock">Stock and competitors</h2>
      <dl className="facts">
        <dt>Stock</dt>
        <dd>
          {inputs.stock === null ? "not known" : `${formatNumber(inputs.stock)} (${inputs.stock_category})`}
          {inputs.oversold > 0 ? `, oversold by ${formatNumber(inputs.oversold)}` : ""}
          {inputs.needs_reorder ? `, to reorder at ${formatNumber(inputs.reorder_threshold ?? 0)}` : ""}
        </dd>
        {inputs.days_of_cover === null ? null : (
          <>
            <dt>Days of cover</dt>
            <dd>{formatNumber(inputs.days_of_cover)}, by the purchases of the last 24 hours</dd>
          </>
        )}
        <dt>Clicks of the last 15 minutes</dt>
        <dd>{formatWhole(inputs.clicks_15m)}</dd>
        <dt>Cheapest competitor</dt>
        <dd>
          {inputs.min_competitor_price === null ? (
            "none"
          ) : (
            <>
              {money.format(inputs.min_competitor_price)}, <bdi>{inputs.competitor}</bdi>
              {inputs.quoted_at_ms === null ? null : (
                <>
                  , <Moment at={inputs.quoted_at_ms} />
                </>
              )}
            </>
          )}
        </dd>
        {ignored > 0 ? (
          <>
            <dt>Quotes that were ignored</dt>
            <dd>
              {formatWhole(inputs.echoes)} of our own price, {formatWhole(inputs.outside_band)} too far from the
              base price
            </dd>
          </>
        ) : null}
      </dl>
    </section>
  );
}

function isKnown(inputs: Explanation["inputs"]): boolean {
  return (
    inputs.stock !== null ||
    inputs.clicks_15m > 0 ||
    inputs.min_competitor_price !== null ||
    inputs.echoes + inputs.outside_band > 0
  );
}
