/** One dead letter, to be read, mended and sent again. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { DeadLetter } from "../api/types";
import { notify } from "../shell/notices";
import { Modal } from "../ui/modal";
import { Problem } from "../ui/problem";

/** The position of the message in Kafka, which names the letter. */
export const keyOf = ({ source }: DeadLetter) => `${source.topic}:${source.partition}:${source.offset}`;

interface Props {
  letter: DeadLetter;
  onClose: () => void;
}

export function LetterDialog({ letter, onClose }: Props) {
  const [text, setText] = useState(letter.text);
  const { replay, busy, error } = useReplay(letter, onClose);
  const whole = isWhole(letter);
  return (
    <Modal
      wide
      title={letter.detail}
      onClose={onClose}
      description={`${letter.error_code} · ${keyOf(letter)} · ${letter.raw_size} bytes`}
    >
      <label className="field">
        <span>
          {whole ? "The message; change it to send something else instead" : "The beginning of the message"}
        </span>
        <textarea
          rows={10}
          spellCheck={false}
          readOnly={!whole}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      {letter.replayed ? (
        <p className="warning">⚠ It was sent again before; sending it once more counts it twice.</p>
      ) : null}
      <Problem text={error} />
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="button" className="button primary" disabled={busy} onClick={() => void replay(text)}>
          {busy ? "Sending…" : text === letter.text ? "Send it again" : "Send the changed message"}
        </button>
      </div>
    </Modal>
  );
}

/** True if the API sent the message to its end; only then can it be changed. */
function isWhole(letter: DeadLetter): boolean {
  return new TextEncoder().encode(letter.text).length >= letter.raw_size;
}

/** Sends a letter again, with another text if it was changed. */
function useReplay(letter: DeadLetter, onDone: () => void) {
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  async function replay(text: string) {
    setBusy(true);
    setError("");
    try {
      const value = isWhole(letter) && text !== letter.text ? { value: text } : {};
      const body = { source: letter.source, again: letter.replayed, ...value };
      await answer(api.POST("/dead-letters/replay", { body }));
      notify(`Sent again to ${letter.source.topic}`);
      setTimeout(() => void queries.invalidateQueries({ queryKey: ["dead-letters"] }), 300);
      onDone();
    } catch (problem) {
      setError((problem as Error).message);
    } finally {
      setBusy(false);
    }
  }
  return { replay, busy, error };
}
