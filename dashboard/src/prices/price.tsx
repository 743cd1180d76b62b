/** A price, its change and its source, the same on every page. Never by colour alone. */

import { Snowflake } from "lucide-react";
import { memo } from "react";
import type { Source } from "../api/types";
import { formatPercent } from "../ui/format";
import { Moving } from "./moving";
import { useMoney, useRules } from "./policy";
import "./prices.css";

interface PriceProps {
  price: number;
  moved: -1 | 0 | 1;
  movedAt: number;
}

export const Price = memo(function Price({ price, moved, movedAt }: PriceProps) {
  const money = useMoney();
  return <Moving text={money.format(price)} moved={moved} movedAt={movedAt} />;
});

export function ChangeText({ change }: { change: number | null }) {
  if (change === null) return <span className="dim">—</span>;
  const shown = Math.abs(change) < 0.005 ? 0 : change;
  return <span className={shown > 0 ? "up" : shown < 0 ? "down" : "dim"}>{formatPercent(shown)}</span>;
}

interface SourceProps {
  source: Source;
  boundBy: string | null;
  frozen?: boolean;
}

export function SourceTag({ source, boundBy, frozen }: SourceProps) {
  return (
    <span className="tags">
      <span className={`tag ${source}`}>{source}</span>
      {frozen ? (
        <span className="tag frozen">
          <Snowflake size={11} aria-hidden="true" /> frozen
        </span>
      ) : boundBy ? (
        <BoundTag rule={boundBy} />
      ) : null}
    </span>
  );
}

function BoundTag({ rule }: { rule: string }) {
  const label = useRules().label(rule);
  return (
    <span className="tag bound" title={`the ${label} had the last word`}>
      {label}
    </span>
  );
}
