/** The form for a new rule. */

import { type FormEvent, type ReactNode, useId, useState } from "react";
import { Problem } from "../../ui/problem";
import { addRule } from "../requests";
import type { AlertRule, RuleKind } from "../types";
import {
  type Field,
  type FieldErrors,
  fieldOf,
  hasThreshold,
  hasWindow,
  KINDS,
  NEW_RULE,
  readRule,
  type RuleDraft,
  withKind,
} from "./rule-draft";

export function RuleForm({ onAdded }: { onAdded: (rule: AlertRule) => void }) {
  const [draft, setDraft] = useState(NEW_RULE);
  const kindId = useId();
  const { errors, problem, busy, submit } = useSubmit(draft, (rule) => {
    // The next rule is often for the same symbol.
    setDraft({ ...NEW_RULE, symbol: rule.symbol, kind: rule.kind });
    onAdded(rule);
  });
  const change = (fields: Partial<RuleDraft>) => setDraft({ ...draft, ...fields });
  const text = (name: keyof RuleDraft) => ({
    value: draft[name],
    onChange: (value: string) => change({ [name]: value }),
  });
  return (
    <form className="rule-form" aria-label="New rule" noValidate onSubmit={(event) => void submit(event)}>
      <div className="row">
        <TextField name="symbol" label="Symbol" error={errors.symbol} placeholder="BTC/USD" {...text("symbol")} />
        <div className="field">
          <label htmlFor={kindId}>Kind</label>
          <select
            id={kindId}
            value={draft.kind}
            onChange={(event) => setDraft(withKind(draft, event.target.value as RuleKind))}
          >
            {(Object.keys(KINDS) as RuleKind[]).map((kind) => (
              <option key={kind} value={kind}>
                {KINDS[kind]}
              </option>
            ))}
          </select>
        </div>
      </div>
      {hasThreshold(draft.kind) ? (
        <div className="row">
          <TextField
            name="threshold"
            label={draft.kind === "move_percent" ? "Per cent" : "Price"}
            error={errors.threshold}
            numeric
            {...text("threshold")}
          />
          {hasWindow(draft.kind) ? (
            <TextField
              name="window_s"
              label="Within (seconds)"
              error={errors.window_s}
              numeric
              {...text("windowS")}
            />
          ) : null}
        </div>
      ) : null}
      <TextField
        name="webhook"
        label="Webhook (optional)"
        error={errors.webhook}
        placeholder="https://"
        {...text("webhook")}
      />
      <Problem text={problem} />
      <div className="actions">
        <button type="submit" className="button primary" disabled={busy}>
          {busy ? "Adding…" : "Add the rule"}
        </button>
      </div>
    </form>
  );
}

/** The state of the form beside its fields. */
function useSubmit(draft: RuleDraft, onAdded: (rule: AlertRule) => void) {
  const [errors, setErrors] = useState<FieldErrors>({});
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setProblem("");
    const found = readRule(draft);
    setErrors("errors" in found ? found.errors : {});
    if ("errors" in found) return;
    setBusy(true);
    try {
      onAdded(await addRule(found.rule));
    } catch (refusal) {
      const { message } = refusal as Error;
      const field = fieldOf(message);
      if (field) setErrors({ [field]: message });
      else setProblem(message);
    } finally {
      setBusy(false);
    }
  }
  return { errors, problem, busy, submit };
}

interface TextFieldProps {
  name: Field;
  label: ReactNode;
  error: string | undefined;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  numeric?: boolean;
}

function TextField({ name, label, error, value, onChange, placeholder, numeric }: TextFieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        name={name}
        value={value}
        placeholder={placeholder}
        inputMode={numeric ? "decimal" : undefined}
        autoComplete="off"
        spellCheck={false}
        aria-invalid={error !== undefined}
        aria-describedby={error ? `${id}-error` : undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {error ? (
        <span id={`${id}-error`} className="field-error" role="alert">
          {error}
        </span>
      ) : null}
    </div>
  );
}
