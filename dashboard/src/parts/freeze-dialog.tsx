/** The stop button, in two steps: what and why; then once more. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get } from "../api";
import { freeze } from "../state/interventions";
import { scopeText, usePrices } from "../state/store";
import { Confirm, Modal } from "./dialogs";

export function FreezeDialog({ scope: given, onClose }: { scope: string; onClose: () => void }) {
  const prices = usePrices();
  const queries = useQueryClient();
  const [scope, setScope] = useState(given);
  const [reason, setReason] = useState("");
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const { data } = useQuery({
    queryKey: ["categories"],
    queryFn: () => get<{ categories: string[] }>("/categories"),
  });
  const product = given.startsWith("product:") ? given : null;
  const nameOf = (id: string) => prices.rows.get(id)?.name;
  const count = [...prices.rows.values()].filter(
    (row) => scope === "all" || scope === `product:${row.id}` || scope === `category:${row.category}`,
  ).length;

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
    return (
      <Confirm
        title={`Freeze ${scopeText(scope, nameOf)}?`}
        description={
          <p>
            {count === 1 ? "1 price holds" : `${count.toLocaleString()} prices hold`} from now on, whatever happens,
            until somebody lifts the freeze. Overrides set by hand still apply. Reason: “{reason.trim()}”.
          </p>
        }
        action="Freeze now"
        busy={busy}
        onConfirm={() => void confirm()}
        onCancel={() => setSure(false)}
      />
    );
  }
  return (
    <Modal
      title="Stop prices from moving"
      onClose={onClose}
      description="A freeze holds prices as they are. Demand goes on counting; lifting it decides every held price anew."
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setSure(true);
        }}
      >
        <label className="field">
          <span>What</span>
          <select value={scope} onChange={(event) => setScope(event.target.value)}>
            {product ? <option value={product}>{scopeText(product, nameOf)}</option> : null}
            <option value="all">All prices</option>
            {data?.categories.map((name) => (
              <option key={name} value={`category:${name}`}>
                Category “{name}”
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>Reason</span>
          <input
            autoFocus
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        {error ? (
          <p className="error" role="alert">
            {error}
          </p>
        ) : null}
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
