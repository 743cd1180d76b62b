/** The effect of a change on a price: the old and the new price, the difference in per cent, and warnings. */

import type { ChangeResult } from "../../api/types";
import { useMoney } from "../../prices/policy";
import { formatPercent } from "../../ui/format";

const SHOWN_MAX = 8;

/** A line of the CSV dialog. */
export function Outcome({ result }: { result: ChangeResult | undefined }) {
  const money = useMoney();
  if (!result) return null;
  if (result.status === "refused" || result.status === "conflict")
    return <span className="error">not set: {result.error}</span>;
  if (result.status === "not confirmed") return <span className="error">{result.error}</span>;
  return (
    <span className="numbers">
      {result.status === "upserted" ? "set: " : result.status === "accepted" ? "accepted, in force soon: " : ""}
      {result.old_price == null ? "no price" : money.format(result.old_price)} →{" "}
      {result.new_price == null ? "no price" : money.format(result.new_price)}{" "}
      {result.change_percent == null ? null : formatPercent(result.change_percent)}
      {result.warnings?.map((warning) => (
        <span key={warning} className="warning">
          {" "}
          ⚠ {warning}
        </span>
      ))}
    </span>
  );
}

interface PreviewProps {
  results: ChangeResult[];
  total: number;
  nameOf: (id: string) => string;
}

/** The preview of the override dialog: the first few products. */
export function PreviewList({ results, total, nameOf }: PreviewProps) {
  return (
    <ul className="preview">
      {results.slice(0, SHOWN_MAX).map((result) => (
        <li key={result.product_id}>
          {total > 1 ? <span className="dim name">{nameOf(result.product_id ?? "")}</span> : null}
          {result.status === "refused" ? (
            <span className="error">{result.error}</span>
          ) : (
            <NewPrice result={result} />
          )}
          {result.warnings?.map((warning) => (
            <span key={warning} className="warning">
              ⚠ {warning}
            </span>
          ))}
        </li>
      ))}
      {total > SHOWN_MAX ? <li className="dim">and {total - SHOWN_MAX} more</li> : null}
    </ul>
  );
}

function NewPrice({ result }: { result: ChangeResult }) {
  const money = useMoney();
  return (
    <span className="numbers">
      {result.old_price == null ? "no price" : money.format(result.old_price)} →{" "}
      <strong>{result.new_price == null ? "no price" : money.format(result.new_price)}</strong>{" "}
      {result.change_percent == null ? null : (
        <span className={result.change_percent < 0 ? "down" : "up"}>{formatPercent(result.change_percent)}</span>
      )}
    </span>
  );
}

/** The first few changes that were refused. */
export function Refusals({ problems, named }: { problems: ChangeResult[]; named: boolean }) {
  if (!problems.length) return null;
  return (
    <div role="alert" className="problems">
      {problems.slice(0, SHOWN_MAX).map((problem) => (
        <p key={problem.product_id} className="error">
          {named ? `${problem.product_id}: ` : ""}
          {problem.error}
        </p>
      ))}
    </div>
  );
}
