/** The rules that raise alerts: a list, and the form for a new one. They need the admin key. */

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { NeedsKey } from "../../shell/needs-key";
import { notify, notifyProblem } from "../../shell/notices";
import { useKeyState } from "../../shell/session";
import { addRule, alertRules, deleteRule } from "../requests";
import type { AlertRule } from "../types";
import { ruleText } from "./rule-text";
import { RuleForm } from "./rule-form";

const RULES_EVERY_MS = 10_000;

export function Rules() {
  const hasKey = useKeyState() === "given";
  return (
    <section className="card" aria-labelledby="rules">
      <h2 id="rules">Rules</h2>
      {hasKey ? <Editor /> : <NeedsKey what="Rules" />}
    </section>
  );
}

function Editor() {
  const queries = useQueryClient();
  const { data, error, isPending } = useQuery({
    queryKey: KEY,
    queryFn: alertRules,
    refetchInterval: RULES_EVERY_MS,
  });
  return (
    <>
      <RuleForm
        onAdded={(rule) => {
          show(queries, rule);
          notify(`Rule added: ${rule.symbol}, ${ruleText(rule)}`, "done", () => remove(queries, rule));
        }}
      />
      {isPending ? <p className="loading">Loading…</p> : null}
      {error ? <p className="error">{error.message}</p> : null}
      {data?.length === 0 ? <p className="empty-note">No rule yet.</p> : null}
      <ul className="list rules">
        {data?.map((rule) => (
          <Line key={rule.id} rule={rule} />
        ))}
      </ul>
    </>
  );
}

function Line({ rule }: { rule: AlertRule }) {
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const onDelete = () => {
    setBusy(true);
    remove(queries, rule)
      .then(() => notify(`Rule deleted: ${rule.symbol}`, "done", () => addAgain(queries, rule)))
      .catch(notifyProblem)
      .finally(() => setBusy(false));
  };
  return (
    <li>
      <div>
        <strong>{rule.symbol}</strong> {ruleText(rule)}
        {rule.webhook ? <p className="dim small webhook">to {rule.webhook}</p> : null}
      </div>
      <button
        type="button"
        className="button"
        disabled={busy}
        aria-label={`Delete the rule of ${rule.symbol}: ${ruleText(rule)}`}
        onClick={onDelete}
      >
        {busy ? "Deleting…" : "Delete"}
      </button>
    </li>
  );
}

const KEY = ["market-rules"];

/** Change the list that is shown, and ask for it again when the change is on the topic. */
function changeList(queries: QueryClient, change: (rules: AlertRule[]) => AlertRule[]): void {
  void queries.cancelQueries({ queryKey: KEY });
  queries.setQueryData<AlertRule[]>(KEY, (rules) => rules && change(rules));
  for (const wait of [1_000, 3_000]) setTimeout(() => void queries.invalidateQueries({ queryKey: KEY }), wait);
}

function show(queries: QueryClient, rule: AlertRule): void {
  changeList(queries, (rules) => [rule, ...rules.filter((each) => each.id !== rule.id)]);
}

async function remove(queries: QueryClient, rule: AlertRule): Promise<void> {
  await deleteRule(rule.id);
  changeList(queries, (rules) => rules.filter((each) => each.id !== rule.id));
}

/** The rule gets another id. */
async function addAgain(queries: QueryClient, { id: _, ...rule }: AlertRule): Promise<void> {
  show(queries, await addRule(rule));
}
