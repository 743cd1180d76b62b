/** The freezes in force, to be lifted, and earlier ones. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { answer, api } from "../api/client";
import type { Freeze } from "../api/types";
import { scopeText } from "../prices/freezes";
import { useStatus } from "../prices/status";
import { usePrices } from "../prices/store";
import { lift } from "../shell/changes";
import { NeedsKey } from "../shell/needs-key";
import { notifyProblem } from "../shell/notices";
import { useKeyState, withKey } from "../shell/session";
import { Moment } from "../ui/clock";

export function Freezes() {
  const { data: status, isPending } = useStatus();
  if (isPending) return <p className="loading">Loading…</p>;
  return (
    <>
      <InForce freezes={status?.freezes ?? null} />
      <h2>Earlier freezes</h2>
      <Earlier />
    </>
  );
}

/** `freezes` is null if the API cannot tell. */
function InForce({ freezes }: { freezes: Freeze[] | null }) {
  const queries = useQueryClient();
  const onLift = ({ scope, reason }: Freeze) =>
    void withKey(() => lift(queries, scope, reason).catch(notifyProblem));
  return (
    <>
      {freezes === null ? (
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
            <About freeze={freeze}>
              <Moment at={freeze.set_at} />
            </About>
            <button type="button" className="button" onClick={() => onLift(freeze)}>
              Lift
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Earlier() {
  const hasKey = useKeyState() === "given";
  const past = useQuery({
    queryKey: ["audit", "freezes"],
    enabled: hasKey,
    queryFn: () => answer(api.GET("/freezes/audit", { params: { query: { limit: 100 } } })),
  });
  return (
    <>
      {!hasKey ? <NeedsKey what="Earlier freezes" /> : null}
      {past.error ? <p className="error">{past.error.message}</p> : null}
      {past.data?.freezes.length === 0 ? <p className="empty-note">There were none.</p> : null}
      <ul className="list">
        {past.data?.freezes.map((freeze) =>
          freeze.lifted_at ? (
            <li key={freeze.scope + freeze.set_at}>
              <About freeze={freeze}>
                <Moment at={freeze.set_at} /> to <Moment at={freeze.lifted_at} />
              </About>
            </li>
          ) : null,
        )}
      </ul>
    </>
  );
}

/** A freeze in two lines; `children` are its times. */
function About({ freeze, children }: { freeze: Freeze; children: ReactNode }) {
  const prices = usePrices();
  return (
    <div>
      <strong>
        <bdi>{scopeText(freeze.scope, (id) => prices.rows.get(id)?.name)}</bdi>
      </strong>
      <p className="dim">
        “<bdi>{freeze.reason}</bdi>”, <bdi>{freeze.set_by}</bdi>, {children}
      </p>
    </div>
  );
}
