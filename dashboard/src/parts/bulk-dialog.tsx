/** Many prices from a CSV: what each line would do, errors by line, then all the good ones at once. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { activeOverrides, type ChangeResult, setOverrides } from "../api";
import { type BulkFile, download, parseBulk, toCsv } from "../lib/bulk";
import { formatMoney, formatPercent } from "../lib/format";
import { applyChanges } from "../state/interventions";
import { usePrices } from "../state/store";
import { Modal } from "./dialogs";

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

export function BulkDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const prices = usePrices();
  const [text, setText] = useState("");
  const [file, setFile] = useState<BulkFile | null>(null);
  const [results, setResults] = useState<Map<number, ChangeResult>>(new Map());
  const [progress, setProgress] = useState<{ what: string; done: number; of: number } | null>(null);
  const [error, setError] = useState("");
  const [applied, setApplied] = useState(false);

  const good = file?.lines.filter((line) => line.change && results.get(line.line)?.status === "would be set") ?? [];

  async function work(what: string, lines: NonNullable<BulkFile["lines"]>, dryRun: boolean) {
    const changes = lines.flatMap((line) => line.change ?? []);
    setProgress({ what, done: 0, of: changes.length });
    setError("");
    try {
      const onProgress = (done: number) => setProgress({ what, done, of: changes.length });
      const answers = dryRun
        ? await setOverrides(changes, true, onProgress)
        : await applyChanges(queries, changes, await activeOverrides(), onProgress);
      setResults(new Map(answers.map((answer, index) => [lines[index]?.line ?? 0, answer])));
      if (!dryRun) setApplied(true);
    } catch (problem) {
      setError((problem as Error).message);
    } finally {
      setProgress(null);
    }
  }

  async function preview(csv: string) {
    setText(csv);
    setApplied(false);
    setResults(new Map());
    const parsed = parseBulk(csv);
    setFile(parsed);
    const readable = parsed.lines.filter((line) => line.change);
    if (readable.length) await work("Looking at each line", readable, true);
  }

  return (
    <Modal
      wide
      title="Set prices from a CSV"
      onClose={onClose}
      description="Nothing is set before you have seen what each line would do."
    >
      <div className="row">
        <label className="button">
          Choose a file…
          <input
            className="visually-hidden"
            type="file"
            accept=".csv,text/csv"
            onChange={(event) => void event.target.files?.[0]?.text().then(preview)}
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
          onBlur={() => text.trim() && !file && void preview(text)}
        />
      </label>
      <div className="row">
        <button
          type="button"
          className="button"
          disabled={!text.trim() || progress !== null}
          onClick={() => void preview(text)}
        >
          Preview
        </button>
      </div>
      {progress ? (
        <p role="status">
          {progress.what}: {progress.done} of {progress.of} <progress max={progress.of} value={progress.done} />
        </p>
      ) : null}
      {file?.error ? (
        <p className="error" role="alert">
          {file.error}
        </p>
      ) : null}
      {error ? (
        <p className="error" role="alert">
          {error}
        </p>
      ) : null}
      {file?.lines.length ? (
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
              {file.lines.slice(0, 500).map(({ line, change, error: problem }) => (
                <tr key={line}>
                  <td>{line}</td>
                  <td>{change ? prices.rows.get(change.product_id)?.name || change.product_id : ""}</td>
                  <td>
                    {problem ? <span className="error">{problem}</span> : <Outcome result={results.get(line)} />}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ) : null}
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {applied ? "Done" : "Cancel"}
        </button>
        {applied ? null : (
          <button
            type="button"
            className="button primary"
            disabled={!good.length || progress !== null}
            onClick={() => void work("Setting", good, false)}
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

function Outcome({ result }: { result: ChangeResult | undefined }) {
  if (!result) return null;
  if (result.status === "refused" || result.status === "conflict")
    return <span className="error">{result.error}</span>;
  return (
    <span className="numbers">
      {result.status === "upserted" ? "set: " : ""}
      {result.old_price == null ? "no price" : formatMoney(result.old_price)} →{" "}
      {result.new_price == null ? "no price" : formatMoney(result.new_price)}{" "}
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
