/** Many prices from a CSV: the effect of each line, errors by line, then all the good lines at once. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { activeOverrides, setOverrides } from "../../api/overrides";
import type { ChangeResult } from "../../api/types";
import { useMoney } from "../../prices/policy";
import { usePrices } from "../../prices/store";
import { download, toCsv } from "../../ui/csv";
import { Modal } from "../../ui/modal";
import { Problem } from "../../ui/problem";
import { applyChanges } from "../changes";
import { type BulkFile, type BulkLine, parseBulk } from "./bulk-file";
import { Outcome } from "./outcome";

const EXAMPLE = [
  { product_id: "85123A", override_price: "2.75", change_percent: "", reason: "spring campaign", expires_at: "" },
  {
    product_id: "22423",
    override_price: "",
    change_percent: "-10",
    reason: "clearance",
    expires_at: "2030-01-01T00:00:00Z",
  },
];
const LINES_SHOWN = 500;

export function BulkDialog({ onClose }: { onClose: () => void }) {
  const { file, results, progress, error, applied, preview, apply } = useBulk();
  const good = file?.lines.filter((line) => line.change && results.get(line.line)?.status === "would be set") ?? [];
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
      {file?.lines.length ? <Lines lines={file.lines} results={results} /> : null}
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {applied ? "Done" : "Cancel"}
        </button>
        {applied ? null : (
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

/** The state of the dialog: the file, the API's answer to each of its lines, and the work on its way. */
function useBulk() {
  const queries = useQueryClient();
  const money = useMoney();
  const [file, setFile] = useState<BulkFile | null>(null);
  /** By the number of the line. */
  const [results, setResults] = useState<Map<number, ChangeResult>>(new Map());
  const [progress, setProgress] = useState<{ what: string; done: number; of: number } | null>(null);
  const [error, setError] = useState("");
  const [applied, setApplied] = useState(false);

  async function work(what: string, lines: BulkLine[], dryRun: boolean) {
    const changes = lines.flatMap((line) => line.change ?? []);
    setProgress({ what, done: 0, of: changes.length });
    setError("");
    try {
      const onProgress = (done: number) => setProgress({ what, done, of: changes.length });
      const answers = dryRun
        ? await setOverrides(changes, true, onProgress)
        : await applyChanges(queries, changes, await activeOverrides(), money, onProgress);
      setResults(new Map(answers.map((answer, index) => [lines[index]?.line ?? 0, answer])));
      if (!dryRun) setApplied(true);
    } catch (problem) {
      setError((problem as Error).message);
    } finally {
      setProgress(null);
    }
  }

  async function preview(csv: string) {
    setApplied(false);
    setResults(new Map());
    const parsed = parseBulk(csv);
    setFile(parsed);
    const readable = parsed.lines.filter((line) => line.change);
    if (readable.length) await work("Looking at each line", readable, true);
  }

  const apply = (lines: BulkLine[]) => work("Setting", lines, false);
  return { file, results, progress, error, applied, preview, apply };
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
            onChange={(event) => void event.target.files?.[0]?.text().then(read)}
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
