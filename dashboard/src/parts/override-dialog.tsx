/** Set the price of one product or of several, seeing what it does before it is done. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { activeOverrides, type Change, type ChangeResult, setOverrides } from "../api";
import { currencyCode, formatMoney, formatPercent } from "../lib/format";
import { applyChanges } from "../state/interventions";
import { notify } from "../state/notices";
import { usePrices } from "../state/store";
import { Modal } from "./dialogs";
import { ExpiryField, expiryTime, NO_EXPIRY } from "./expiry";

const PREVIEW_AFTER_MS = 250;
const SHOWN_MAX = 8;

export function OverrideDialog({ ids, onClose }: { ids: string[]; onClose: () => void }) {
  const prices = usePrices();
  const queries = useQueryClient();
  const [mode, setMode] = useState<"price" | "percent">(ids.length > 1 ? "percent" : "price");
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [expiry, setExpiry] = useState(NO_EXPIRY);
  const [preview, setPreview] = useState<ChangeResult[]>([]);
  const [problems, setProblems] = useState<ChangeResult[]>([]);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  // As they were when the dialog was opened: what has changed since is somebody else's doing.
  const { data: before } = useQuery({
    queryKey: ["overrides", "before", ids],
    queryFn: activeOverrides,
    staleTime: Infinity,
    gcTime: 0,
  });
  const value = Number(amount.replace(",", "."));
  const usable = amount.trim() !== "" && Number.isFinite(value) && (mode === "percent" || value > 0);
  const name = (id: string) => prices.rows.get(id)?.name || id;
  const title = ids.length === 1 ? `Set the price of ${name(ids[0] ?? "")}` : `Set ${ids.length} prices`;

  function changes(): Change[] {
    const end = expiryTime(expiry);
    const set = mode === "price" ? { override_price: value } : { change_percent: value };
    const active = new Map(before?.map((override) => [override.product_id, override.set_at]));
    return ids.map((product_id) => ({
      product_id,
      ...set,
      ...(reason.trim() ? { reason: reason.trim() } : {}),
      expires_at: end,
      ...(before ? { expected_set_at: active.get(product_id) ?? null } : {}),
    }));
  }
  useEffect(() => {
    if (!usable) {
      setPreview([]);
      return;
    }
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const lines = changes().map(({ expected_set_at: _, ...change }) => change);
        const results = await setOverrides(lines.slice(0, 100), true);
        if (!current) return;
        setPreview(results);
        setError("");
      } catch (problem) {
        if (!current) return;
        setPreview([]);
        setError((problem as Error).message);
      }
    }, PREVIEW_AFTER_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [usable, value, mode, before]);

  async function submit(event: React.FormEvent, regardless = false) {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      const lines = regardless ? changes().map(({ expected_set_at: _, ...change }) => change) : changes();
      const results = await applyChanges(queries, lines, before ?? []);
      const failed = results.filter((result) => result.status !== "upserted");
      if (failed.length === 0) onClose();
      else setProblems(failed);
    } catch (problem) {
      setError((problem as Error).message);
      notify((problem as Error).message, "error");
    } finally {
      setBusy(false);
    }
  }

  const conflict = problems.some((problem) => problem.status === "conflict");
  return (
    <Modal
      title={title}
      onClose={onClose}
      description="In force within a second, until it ends or is removed. Demand goes on counting."
    >
      <form onSubmit={(event) => void submit(event)}>
        <div className="row">
          <div className="field">
            <span id="mode">Set</span>
            <div className="segmented" role="radiogroup" aria-labelledby="mode">
              {(["price", "percent"] as const).map((each) => (
                <label key={each}>
                  <input type="radio" name="mode" checked={mode === each} onChange={() => setMode(each)} />
                  <span>{each === "price" ? `Price (${currencyCode()})` : "Change (%)"}</span>
                </label>
              ))}
            </div>
          </div>
          <label className="field">
            <span>{mode === "price" ? "New price" : "Change in per cent"}</span>
            <input
              autoFocus
              inputMode="decimal"
              autoComplete="off"
              required
              value={amount}
              onChange={(e) => setAmount(e.target.value)}
            />
          </label>
        </div>
        <label className="field">
          <span>Reason</span>
          <input
            maxLength={200}
            placeholder="manual override"
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <ExpiryField value={expiry} onChange={setExpiry} />
        <div aria-live="polite">
          {amount.trim() && !usable ? (
            <p className="error">Type a number{mode === "price" ? " above 0" : ""}.</p>
          ) : null}
          {preview.length ? <PreviewList results={preview} total={ids.length} nameOf={name} /> : null}
        </div>
        {problems.length ? (
          <div role="alert" className="problems">
            {problems.slice(0, SHOWN_MAX).map((problem) => (
              <p key={problem.product_id} className="error">
                {ids.length > 1 ? `${problem.product_id}: ` : ""}
                {problem.error}
              </p>
            ))}
          </div>
        ) : null}
        {error ? (
          <p className="error" role="alert">
            {error}
          </p>
        ) : null}
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          {conflict ? (
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

export function PreviewList({
  results,
  total,
  nameOf,
}: {
  results: ChangeResult[];
  total: number;
  nameOf: (id: string) => string;
}) {
  return (
    <ul className="preview">
      {results.slice(0, SHOWN_MAX).map((result) => (
        <li key={result.product_id}>
          {total > 1 ? <span className="dim name">{nameOf(result.product_id ?? "")}</span> : null}
          {result.status === "refused" ? (
            <span className="error">{result.error}</span>
          ) : (
            <span className="numbers">
              {result.old_price == null ? "no price" : formatMoney(result.old_price)} →{" "}
              <strong>{result.new_price == null ? "no price" : formatMoney(result.new_price)}</strong>{" "}
              {result.change_percent == null ? null : (
                <span className={result.change_percent < 0 ? "down" : "up"}>
                  {formatPercent(result.change_percent)}
                </span>
              )}
            </span>
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
