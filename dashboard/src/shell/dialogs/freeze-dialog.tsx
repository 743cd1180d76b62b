/** The stop button, in two steps: scope and reason; then a question with the number of prices. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { answer, api } from "../../api/client";
import { scopeText } from "../../prices/freezes";
import { usePrices } from "../../prices/store";
import { Confirm, Modal } from "../../ui/modal";
import { Problem } from "../../ui/problem";
import { freeze } from "../changes";
import { REASON_UNITS_MAX } from "../../ui/text";

export function FreezeDialog({ scope: given, onClose }: { scope: string; onClose: () => void }) {
  const queries = useQueryClient();
  const [scope, setScope] = useState(given);
  const [reason, setReason] = useState("");
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  async function confirm() {
    setBusy(true);
    try {
      await freeze(queries, scope, reason.trim());
      onClose();
    } catch (problem) {
      setError((problem as Error).message);
      setSure(false);
    } finally {
      setBusy(false);
    }
  }

  if (sure) {
    const back = () => setSure(false);
    return (
      <Sure scope={scope} reason={reason.trim()} busy={busy} onConfirm={() => void confirm()} onCancel={back} />
    );
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    setSure(true);
  }
  return (
    <Modal
      title="Stop prices from moving"
      onClose={onClose}
      description="A freeze holds prices as they are. Demand goes on counting; when it is lifted, every held price is decided again."
    >
      <form onSubmit={submit}>
        <ScopeField given={given} value={scope} onChange={setScope} />
        <label className="field">
          <span>Reason</span>
          <input
            autoFocus
            required
            maxLength={REASON_UNITS_MAX}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <Problem text={error} />
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button danger" disabled={!reason.trim()}>
            Freeze…
          </button>
        </div>
      </form>
    </Modal>
  );
}

interface ScopeProps {
  given: string;
  value: string;
  onChange: (scope: string) => void;
}

/** All prices, one of the categories, or the product for which the dialog was opened. */
function ScopeField({ given, value, onChange }: ScopeProps) {
  const nameOf = useNames();
  const { data } = useQuery({
    queryKey: ["categories"],
    queryFn: () => answer(api.GET("/categories")),
  });
  return (
    <label className="field">
      <span>What</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {given.startsWith("product:") ? <option value={given}>{scopeText(given, nameOf)}</option> : null}
        <option value="all">All prices</option>
        {data?.categories.map((name) => (
          <option key={name} value={`category:${name}`}>
            Category “{name}”
          </option>
        ))}
      </select>
    </label>
  );
}

interface SureProps {
  scope: string;
  reason: string;
  busy: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

function Sure({ scope, reason, busy, onConfirm, onCancel }: SureProps) {
  const prices = usePrices();
  const nameOf = useNames();
  const count = [...prices.rows.values()].filter(
    (row) => scope === "all" || scope === `product:${row.id}` || scope === `category:${row.category}`,
  ).length;
  return (
    <Confirm
      title={`Freeze ${scopeText(scope, nameOf)}?`}
      description={
        <p>
          {count === 1 ? "1 price holds" : `${count.toLocaleString()} prices hold`} from now on, until the freeze is
          lifted. Overrides set by hand still apply. Reason: “{reason}”.
        </p>
      }
      action="Freeze now"
      busy={busy}
      onConfirm={onConfirm}
      onCancel={onCancel}
    />
  );
}

function useNames(): (id: string) => string | undefined {
  const prices = usePrices();
  return (id) => prices.rows.get(id)?.name;
}
