/** Many prices from a CSV: the effect of each line, errors by line, then all the good lines at once. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { activeOverrides, isSet, previewOverrides } from "../../api/overrides";
import type { ChangeResult } from "../../api/types";
import { useMoney } from "../../prices/policy";
import { usePrices } from "../../prices/store";
import { decodeText, download, toCsv } from "../../ui/csv";
import { Modal } from "../../ui/modal";
import { Problem } from "../../ui/problem";
import { applyChanges } from "../changes";
import { type BulkFile, type BulkLine, EXAMPLE, parseBulk } from "./bulk-file";
import { Outcome } from "./outcome";

const LINES_SHOWN = 500;

export function BulkDialog({ onClose }: { onClose: () => void }) {
  const { file, results, progress, error, tried, preview, apply } = useBulk();
  const applied = tried.size > 0;
  const of = (...statuses: ChangeResult["status"][]) =>
    file?.lines.filter((line) => line.change && statuses.some((each) => each === results.get(line.line)?.status)) ??
    [];
  const good = of("would be set");
  const left = of("refused", "not confirmed").filter((line) => tried.has(line.line));
  return (
    <Modal
      wide
      title="Set prices from a CSV"
      onClose={onClose}
      description="Nothing is set before you have seen what each line would do."
    >
      <Input parsed={file !== null} busy={progress !== null} preview={preview} />
      {progress ? (
        <p role="status">
          {progress.what}: {progress.done} of {progress.of} <progress max={progress.of} value={progress.done} />
        </p>
      ) : null}
      <Problem text={file?.error} />
      <Problem text={error} />
      {applied && file ? <Summary lines={file.lines.length} results={[...results.values()]} /> : null}
      {file?.lines.length ? <Lines lines={file.lines} results={results} /> : null}
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {applied ? "Done" : "Cancel"}
        </button>
        {applied ? (
          left.length > 0 && (
            <button type="button" className="button" disabled={progress !== null} onClick={() => void apply(left)}>
              Try the other {left.length} again
            </button>
          )
        ) : (
          <button
            type="button"
            className="button primary"
            disabled={!good.length || progress !== null}
            onClick={() => void apply(good)}
          >
            {file && good.length < file.lines.length
              ? `Set the ${good.length} good ${good.length === 1 ? "line" : "lines"}`
              : `Set ${good.length} prices`}
          </button>
        )}
      </div>
    </Modal>
  );
}

/** The numbers of lines that were set, were not, and of which nothing is known. */
function Summary({ lines, results }: { lines: number; results: ChangeResult[] }) {
  const set = results.filter(isSet).length;
  const unknown = results.filter((result) => result.status === "not confirmed").length;
  return (
    <p role="status">
      <strong>{set} set</strong>, {lines - set - unknown} not set
      {unknown ? <span className="error">, {unknown} not confirmed: they may still take effect</span> : null}.
    </p>
  );
}

/** The state of the dialog: the file, the API's answer to each of its lines, and the work on its way. */
function useBulk() {
  const queries = useQueryClient();
  const money = useMoney();
  const [file, setFile] = useState<BulkFile | null>(null);
  /** By the number of the line. */
  const [results, setResults] = useState<Map<number, ChangeResult>>(new Map());
  const [progress, setProgress] = useState<{ what: string; done: number; of: number } | null>(null);
  const [error, setError] = useState("");
  /** The lines that were sent to be set. */
  const [tried, setTried] = useState<ReadonlySet<number>>(new Set());

  async function work(what: string, lines: BulkLine[], dryRun: boolean) {
    const changes = lines.flatMap((line) => line.change ?? []);
    setProgress({ what, done: 0, of: changes.length });
    setError("");
    try {
      const onProgress = (done: number) => setProgress({ what, done, of: changes.length });
      const answers = dryRun
        ? await previewOverrides(changes, onProgress)
        : await applyChanges(queries, changes, await activeOverrides(), money, onProgress);
      const found = answers.map((answer, index): [number, ChangeResult] => [lines[index]?.line ?? 0, answer]);
      // Lines that were set before keep their results.
      setResults((before) => new Map([...before, ...found]));
      if (!dryRun) setTried((before) => new Set([...before, ...lines.map((line) => line.line)]));
    } catch (problem) {
      setError((problem as Error).message);
    } finally {
      setProgress(null);
    }
  }

  async function preview(csv: string) {
    setTried(new Set());
    setResults(new Map());
    const parsed = parseBulk(csv, money);
    setFile(parsed);
    const readable = parsed.lines.filter((line) => line.change);
    if (readable.length) await work("Looking at each line", readable, true);
  }

  const apply = (lines: BulkLine[]) => work("Setting", lines, false);
  return { file, results, progress, error, tried, preview, apply };
}

interface InputProps {
  parsed: boolean;
  busy: boolean;
  preview: (csv: string) => Promise<void>;
}

/** The lines, from a file or pasted. */
function Input({ parsed, busy, preview }: InputProps) {
  const [text, setText] = useState("");
  const read = (csv: string) => {
    setText(csv);
    return preview(csv);
  };
  return (
    <>
      <div className="row">
        <label className="button">
          Choose a file…
          <input
            className="visually-hidden"
            type="file"
            accept=".csv,text/csv"
            onChange={(event) => void event.target.files?.[0]?.arrayBuffer().then(decodeText).then(read)}
          />
        </label>
        <button type="button" className="button" onClick={() => download("overrides-example.csv", toCsv(EXAMPLE))}>
          Example file
        </button>
      </div>
      <label className="field">
        <span>or paste its lines</span>
        <textarea
          rows={4}
          spellCheck={false}
          placeholder="product_id,override_price,reason,expires_at"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onBlur={() => text.trim() && !parsed && void preview(text)}
        />
      </label>
      <div className="row">
        <button type="button" className="button" disabled={!text.trim() || busy} onClick={() => void preview(text)}>
          Preview
        </button>
      </div>
    </>
  );
}

function Lines({ lines, results }: { lines: BulkLine[]; results: Map<number, ChangeResult> }) {
  const prices = usePrices();
  return (
    <section className="scroll" aria-label="What each line does" tabIndex={0}>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col">Product</th>
            <th scope="col">What it does</th>
          </tr>
        </thead>
        <tbody>
          {lines.slice(0, LINES_SHOWN).map(({ line, change, error }) => (
            <tr key={line}>
              <td>{line}</td>
              <td>{change ? prices.rows.get(change.product_id)?.name || change.product_id : ""}</td>
              <td>{error ? <span className="error">{error}</span> : <Outcome result={results.get(line)} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
