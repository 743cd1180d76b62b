/** The override in force on a product, with its author and its end. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { activeOverrides } from "../api/overrides";
import type { Override } from "../api/types";
import { useMoney } from "../prices/policy";
import { removeAll } from "../shell/changes";
import { notifyProblem } from "../shell/notices";
import { useKeyState, withKey } from "../shell/session";
import { Moment } from "../ui/clock";
import { formatCountdown } from "../ui/format";

interface Props {
  id: string;
  /** True if the price comes from an override; its details need the key. */
  overridden: boolean;
  now: number;
}

export function ActiveOverride({ id, overridden, now }: Props) {
  const hasKey = useKeyState() === "given";
  const { data } = useQuery({
    queryKey: ["overrides"],
    queryFn: activeOverrides,
    enabled: hasKey,
    refetchInterval: 5_000,
  });
  const active = data?.find((override) => override.product_id === id);
  if (active) return <Details active={active} now={now} />;
  if (!overridden) return null;
  return (
    <p className="note">
      A person has set this price.{" "}
      {hasKey ? null : (
        <button type="button" className="link" onClick={() => void withKey(() => {})}>
          Who and why
        </button>
      )}
    </p>
  );
}

function Details({ active, now }: { active: Override; now: number }) {
  const queries = useQueryClient();
  const money = useMoney();
  return (
    <div className="note override-note">
      <p>
        <strong>{money.format(active.override_price)}</strong> set by {active.set_by}, <Moment at={active.set_at} />
        : “<bdi>{active.reason}</bdi>”.{" "}
        {active.expires_at
          ? `Ends in ${formatCountdown(Date.parse(active.expires_at), now)}.`
          : "In force until removed."}
      </p>
      <button type="button" className="button" onClick={() => removeAll(queries, [active]).catch(notifyProblem)}>
        Remove
      </button>
    </div>
  );
}
