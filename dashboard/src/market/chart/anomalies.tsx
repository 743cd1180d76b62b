/** The anomalies of a chart as a list, the newest first: the markers on the chart cannot be read by all. */

import { useSignal } from "../../ui/signal";
import { Moment } from "../../ui/clock";
import { formatPrice } from "../prices";
import type { ChartModel } from "./model";

const SHOWN_MAX = 50;

export function Anomalies({ model }: { model: ChartModel }) {
  useSignal(model.changed);
  const found = model.main.anomalies.slice(-SHOWN_MAX).reverse();
  return (
    <section className="card" aria-labelledby="anomalies">
      <h2 id="anomalies">Anomalies in this range</h2>
      {found.length === 0 ? <p className="empty-note">None.</p> : null}
      {found.length ? (
        <section className="scroll short" aria-label="Anomalies" tabIndex={0}>
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">At</th>
                <th scope="col">Price</th>
                <th scope="col">Kind</th>
                <th scope="col">What is unusual</th>
              </tr>
            </thead>
            <tbody>
              {found.map(({ atUs, price, kind, text }) => (
                <tr key={`${atUs} ${kind}`}>
                  <td>
                    <Moment at={atUs / 1000} />
                  </td>
                  <td className="numbers">{formatPrice(price)}</td>
                  <td>{kind.replaceAll("_", " ")}</td>
                  <td>{text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ) : null}
    </section>
  );
}
