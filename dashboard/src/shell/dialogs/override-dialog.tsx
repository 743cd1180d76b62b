/** Set the price of one product or of several, with a preview of what the change does. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type SyntheticEvent, useState } from "react";
import { activeOverrides, isSet } from "../../api/overrides";
import type { ChangeResult } from "../../api/types";
import { ReductionWarning } from "../../prices/lowest";
import { useMoney } from "../../prices/policy";
import { usePrices } from "../../prices/store";
import { Modal } from "../../ui/modal";
import { Problem } from "../../ui/problem";
import { applyChanges } from "../changes";
import { notifyProblem } from "../notices";
import { ExpiryField } from "./expiry";
import { PreviewList, Refusals } from "./outcome";
import { amountOf, changesOf, type Draft, expecting, newDraft } from "./override-draft";
import { usePreview } from "./use-preview";
import { REASON_UNITS_MAX } from "../../ui/text";

interface Props {
  ids: string[];
  onClose: () => void;
}

export function OverrideDialog({ ids, onClose }: Props) {
  const prices = usePrices();
  const [draft, setDraft] = useState(() => newDraft(ids.length));
  const amount = amountOf(draft, useMoney());
  const { submit, preview, problems, error, busy } = useOverride(draft, amount.value, ids, onClose);
  const usable = amount.value !== null;
  const nameOf = (id: string) => prices.rows.get(id)?.name || id;
  const change = (fields: Partial<Draft>) => setDraft({ ...draft, ...fields });

  return (
    <Modal
      title={ids.length === 1 ? `Set the price of ${nameOf(ids[0] ?? "")}` : `Set ${ids.length} prices`}
      onClose={onClose}
      description="In force within a second, until it ends or is removed. Demand goes on counting."
    >
      <form onSubmit={(event: FormEvent) => void submit(event)}>
        <AmountFields draft={draft} change={change} />
        <label className="field">
          <span>Reason</span>
          <input
            maxLength={REASON_UNITS_MAX}
            placeholder="manual override"
            value={draft.reason}
            onChange={(event) => change({ reason: event.target.value })}
          />
        </label>
        <ExpiryField value={draft.expiry} onChange={(expiry) => change({ expiry })} />
        <div aria-live="polite">
          {amount.error ? <p className="error">{amount.error}.</p> : null}
          {preview.length ? <PreviewList results={preview} total={ids.length} nameOf={nameOf} /> : null}
          {ids.length === 1 && preview[0] ? (
            <ReductionWarning
              id={ids[0] ?? ""}
              from={preview[0].old_price ?? null}
              to={preview[0].new_price ?? null}
            />
          ) : null}
        </div>
        <Refusals problems={problems} named={ids.length > 1} />
        <Problem text={error} />
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          {problems.some((problem) => problem.status === "conflict") ? (
            <button
              type="button"
              className="button danger"
              disabled={busy}
              onClick={(event) => void submit(event, true)}
            >
              Set it all the same
            </button>
          ) : (
            <button type="submit" className="button primary" disabled={!usable || busy}>
              {busy ? "Setting…" : ids.length === 1 ? "Set the price" : `Set ${ids.length} prices`}
            </button>
          )}
        </div>
      </form>
    </Modal>
  );
}

/** The state of the dialog beside its fields: the preview, and the change on its way. */
function useOverride(draft: Draft, value: number | null, ids: string[], onDone: () => void) {
  const queries = useQueryClient();
  const money = useMoney();
  const [problems, setProblems] = useState<ChangeResult[]>([]);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  // As they were when the dialog was opened: another person may have changed them since.
  const { data: before } = useQuery({
    queryKey: ["overrides", "before", ids],
    queryFn: activeOverrides,
    staleTime: Infinity,
    gcTime: 0,
  });
  const preview = usePreview(draft, value, ids, before, setError);

  async function submit(event: SyntheticEvent, regardless = false) {
    event.preventDefault();
    if (value === null) return;
    setBusy(true);
    setError("");
    try {
      const changes = changesOf(draft, value, ids);
      const lines = regardless ? changes : expecting(changes, before);
      const results = await applyChanges(queries, lines, before ?? [], money);
      const failed = results.filter((result) => !isSet(result));
      if (failed.length === 0) onDone();
      else setProblems(failed);
    } catch (problem) {
      setError((problem as Error).message);
      notifyProblem(problem);
    } finally {
      setBusy(false);
    }
  }
  return { submit, preview, problems, error, busy };
}

function AmountFields({ draft, change }: { draft: Draft; change: (fields: Partial<Draft>) => void }) {
  const money = useMoney();
  return (
    <div className="row">
      <div className="field">
        <span id="mode">Set</span>
        <div className="segmented" role="radiogroup" aria-labelledby="mode">
          {(["price", "percent"] as const).map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="mode"
                checked={draft.mode === each}
                onChange={() => change({ mode: each })}
              />
              <span>{each === "price" ? `Price (${money.currency})` : "Change (%)"}</span>
            </label>
          ))}
        </div>
      </div>
      <label className="field">
        <span>{draft.mode === "price" ? "New price" : "Change in per cent"}</span>
        <input
          autoFocus
          inputMode="decimal"
          autoComplete="off"
          required
          value={draft.amount}
          onChange={(event) => change({ amount: event.target.value })}
        />
      </label>
    </div>
  );
}
