/** Asks for the admin key, and tries it before it is kept. */

import { useState } from "react";
import { ApiError } from "../../api/client";
import { activeOverrides } from "../../api/overrides";
import { Modal } from "../../ui/modal";
import { Problem } from "../../ui/problem";
import { session, useKeyState } from "../session";

export function KeyDialog({ onDone }: { onDone: (given: boolean) => void }) {
  const [key, setKey] = useState("");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const expired = useKeyState() === "refused";

  async function submit(event: React.FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError("");
    session.keep(key.trim());
    try {
      await activeOverrides();
      onDone(true);
    } catch (problem) {
      const wrong = problem instanceof ApiError && problem.status === 401;
      if (wrong) {
        setError("This is not the admin key.");
      } else if (problem instanceof ApiError && problem.status === 503) {
        // The key was taken; only a service behind the API does not answer.
        onDone(true);
        return;
      } else {
        setError((problem as Error).message);
      }
      session.forget();
    } finally {
      setBusy(false);
    }
  }

  return (
    <Modal
      title="Admin key"
      description={
        expired
          ? "The API does not take your key any more: it was changed, or your session has ended. Give the new one."
          : "Changing prices, history and audit trails need the admin key. It is kept for this tab only."
      }
      onClose={() => onDone(false)}
    >
      <form onSubmit={submit}>
        <label className="field">
          <span>Key</span>
          <input
            type="password"
            autoComplete="off"
            autoFocus
            required
            value={key}
            onChange={(e) => setKey(e.target.value)}
          />
        </label>
        <Problem text={error} />
        <div className="actions">
          <button type="button" className="button" onClick={() => onDone(false)}>
            Stay read-only
          </button>
          <button type="submit" className="button primary" disabled={busy || !key.trim()}>
            {busy ? "Checking…" : "Use this key"}
          </button>
        </div>
      </form>
    </Modal>
  );
}
