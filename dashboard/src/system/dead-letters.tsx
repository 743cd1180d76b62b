/** Messages that could not be used, newest first. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { DeadLetter } from "../api/types";
import { NeedsKey } from "../shell/needs-key";
import { useKeyState } from "../shell/session";
import { Moment } from "../ui/clock";
import { formatWhole } from "../ui/format";
import { keyOf, LetterDialog } from "./letter-dialog";
import { total } from "./words";

/** `counts` are the dead letters since the flow started, by error code. */
export function DeadLetters({ counts }: { counts: Record<string, number> }) {
  const hasKey = useKeyState() === "given";
  const [code, setCode] = useState("");
  const [shown, setShown] = useState<DeadLetter | null>(null);
  const letters = useQuery({
    queryKey: ["dead-letters", code],
    enabled: hasKey,
    refetchInterval: 15_000,
    queryFn: () => answer(api.GET("/dead-letters", { params: { query: { limit: 100, code: code || undefined } } })),
  });
  const found = letters.data?.dead_letters;
  return (
    <section className="card" aria-labelledby="letters">
      <div className="row">
        <h2 id="letters">Dead letters</h2>
        <span className="dim">{formatWhole(total(counts))} since the flow started</span>
        <div className="spacer" />
        <select aria-label="Error code" value={code} onChange={(event) => setCode(event.target.value)}>
          <option value="">All codes</option>
          {Object.entries(counts).map(([name, count]) => (
            <option key={name} value={name}>
              {name} ({count})
            </option>
          ))}
        </select>
      </div>
      {!hasKey ? <NeedsKey what="Messages that could not be used" /> : null}
      {letters.error ? <p className="error">{letters.error.message}</p> : null}
      {hasKey && letters.isPending ? <p className="loading">Loading…</p> : null}
      {letters.data?.complete === false ? (
        <p className="dim">Kafka was too slow to read all of them: older ones may be missing.</p>
      ) : null}
      {found?.length === 0 && letters.data?.complete ? (
        <p className="empty-note">None: every message could be used.</p>
      ) : null}
      {found?.length ? <LetterTable letters={found} inspect={setShown} /> : null}
      {shown ? <LetterDialog letter={shown} onClose={() => setShown(null)} /> : null}
    </section>
  );
}

interface TableProps {
  letters: DeadLetter[];
  inspect: (letter: DeadLetter) => void;
}

function LetterTable({ letters, inspect }: TableProps) {
  return (
    <section className="scroll" aria-label="Dead letters" tabIndex={0}>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">At</th>
            <th scope="col">Code</th>
            <th scope="col">What is wrong</th>
            <th scope="col">Message</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {letters.map((letter) => (
            <Line key={keyOf(letter)} letter={letter} inspect={() => inspect(letter)} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ letter, inspect }: { letter: DeadLetter; inspect: () => void }) {
  return (
    <tr>
      <td>
        <Moment at={letter.at} />
      </td>
      <td>
        <code>{letter.error_code}</code>
      </td>
      <td>{letter.detail}</td>
      <td className="clip">
        <code>{letter.text.slice(0, 120)}</code>
      </td>
      <td>
        <button type="button" className="button" aria-label={`Inspect ${keyOf(letter)}`} onClick={inspect}>
          {letter.replayed ? "Sent again" : "Inspect"}
        </button>
      </td>
    </tr>
  );
}
