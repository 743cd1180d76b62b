/** The effect of a policy: how many prices it moves, by how much, and what bounds them. */

import { Download } from "lucide-react";
import { Link as A } from "wouter";
import type { PolicyEffect, PricedAnew } from "../api/types";
import { useMoney, useRules } from "../prices/policy";
import { ChangeText } from "../prices/price";
import { download, toCsv } from "../ui/csv";
import { formatWhole } from "../ui/format";
import { sharesOf } from "./policies";

export function Effect({ effect }: { effect: PolicyEffect }) {
  if (effect.products === 0) {
    return (
      <div className="empty">
        <h2>There are no products yet</h2>
        <p>Once products have prices, a preview shows how a policy would move them.</p>
      </div>
    );
  }
  const changed = effect.raised + effect.lowered;
  return (
    <>
      <Shares effect={effect} />
      <dl className="totals">
        <Fact name="Raised" value={formatWhole(effect.raised)} className="up" />
        <Fact name="Lowered" value={formatWhole(effect.lowered)} className="down" />
        <Fact name="Unchanged" value={formatWhole(effect.unchanged)} />
        <div>
          <dt>Median change</dt>
          <dd>
            <ChangeText change={effect.median_change_percent} />
          </dd>
        </div>
      </dl>
      <Notes effect={effect} />
      {effect.categories.length > 1 ? <Categories effect={effect} /> : null}
      {changed ? <Largest effect={effect} changed={changed} /> : <p>No price would change.</p>}
    </>
  );
}

function Fact({ name, value, className }: { name: string; value: string; className?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={className}>{value}</dd>
    </div>
  );
}

function Shares({ effect }: { effect: PolicyEffect }) {
  const [raised, lowered] = sharesOf(effect);
  return (
    <div className="shares" aria-hidden="true">
      <span className="raised" style={{ inlineSize: `${raised * 100}%` }} />
      <span className="lowered" style={{ inlineSize: `${lowered * 100}%` }} />
    </div>
  );
}

function Notes({ effect }: { effect: PolicyEffect }) {
  const rules = useRules();
  const bounds = Object.entries(effect.bound_by).map(
    ([name, count]) => `${rules.label(name)}: ${formatWhole(count)}`,
  );
  return (
    <ul className="dim">
      {effect.complete ? null : (
        <li className="down">These are the first {formatWhole(effect.products)} products: there are more.</li>
      )}
      {effect.unusable ? (
        <li className="down">
          {formatWhole(effect.unusable)} keep their price, because their floor would be above their ceiling.
        </li>
      ) : null}
      {effect.by_hand ? <li>{formatWhole(effect.by_hand)} are held by an override or a freeze.</li> : null}
      {bounds.length ? <li>Ended by a guardrail: {bounds.join(", ")}.</li> : null}
      <li>
        Prices are where products end: steps and cooldowns only delay them. Demand is as it was counted, so weights
        and the half-life show with new events.
      </li>
    </ul>
  );
}

function Categories({ effect }: { effect: PolicyEffect }) {
  return (
    <div className="figures card">
      <table>
        <thead>
          <tr>
            <th scope="col">Category</th>
            <th scope="col">Products</th>
            <th scope="col">Changed</th>
            <th scope="col">Median change</th>
          </tr>
        </thead>
        <tbody>
          {effect.categories.map(({ category, products, changed, median_change_percent: change }) => (
            <tr key={category}>
              <th scope="row">
                <bdi>{category || "no category"}</bdi>
              </th>
              <td>{formatWhole(products)}</td>
              <td>{formatWhole(changed)}</td>
              <td>
                <ChangeText change={change} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Largest({ effect, changed }: { effect: PolicyEffect; changed: number }) {
  const money = useMoney();
  const rules = useRules();
  const shown = effect.largest;
  return (
    <>
      <div className="row">
        <h2>Largest changes</h2>
        <span className="dim">
          {shown.length < changed ? `${formatWhole(shown.length)} of ${formatWhole(changed)}` : null}
        </span>
        <div className="spacer" />
        <button
          type="button"
          className="button"
          onClick={() =>
            download(`policy-${effect.version}.csv`, toCsv(shown as unknown as Record<string, unknown>[]))
          }
        >
          <Download size={15} aria-hidden="true" /> CSV
        </button>
      </div>
      <div className="figures card">
        <table>
          <thead>
            <tr>
              <th scope="col">Product</th>
              <th scope="col">Now</th>
              <th scope="col">Would be</th>
              <th scope="col">Change</th>
              <th scope="col">Ended by</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((each: PricedAnew) => (
              <tr key={each.product_id}>
                <th scope="row">
                  <A href={`/product/${encodeURIComponent(each.product_id)}`}>
                    <bdi>{each.name || each.product_id}</bdi>
                  </A>
                </th>
                <td>{money.format(each.old_price)}</td>
                <td>{money.format(each.new_price)}</td>
                <td>
                  <ChangeText change={each.change_percent} />
                </td>
                <td className="dim">{each.bound_by ? rules.label(each.bound_by) : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
