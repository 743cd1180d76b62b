/** The page “What if”: edit a policy, and see its effect on today's products. Nothing is put in force here. */

import { useMutation, useQuery } from "@tanstack/react-query";
import { Download, Play, RotateCcw } from "lucide-react";
import { useEffect } from "react";
import type { PolicyEffect } from "../api/types";
import { NeedsKey } from "../shell/needs-key";
import { useKeyState } from "../shell/session";
import { download } from "../ui/csv";
import { Problem } from "../ui/problem";
import { useSignal } from "../ui/signal";
import { Effect } from "./effect";
import { draft, preview, readPolicy } from "./policies";
import "./what-if.css";

export default function WhatIf() {
  const hasKey = useKeyState() === "given";
  return (
    <div className="page what-if">
      <header>
        <h1>What if</h1>
        <p className="dim">
          Edit the policy, and see the price that each of today’s products would have. Nothing is put in force here.
        </p>
      </header>
      {hasKey ? <Editor /> : <NeedsKey what="The policy" />}
    </div>
  );
}

function Editor() {
  const inForce = useQuery({ queryKey: ["policy-text"], queryFn: readPolicy, retry: false });
  const text = useSignal(draft);
  const tried = useMutation<PolicyEffect, Error, string>({ mutationFn: preview });
  const original = inForce.data?.policy;
  useEffect(() => {
    if (draft.value === null && original !== undefined) draft.set(original);
  }, [original]);
  if (inForce.error && text === null) return <Problem text={inForce.error.message} />;
  if (text === null) {
    return (
      <p className="loading" role="status">
        Loading the policy…
      </p>
    );
  }
  const run = () => tried.mutate(text);
  return (
    <div className="halves">
      <section aria-label="Policy">
        <textarea
          aria-label="The policy, as TOML"
          spellCheck={false}
          autoCapitalize="off"
          rows={26}
          value={text}
          onChange={(event) => draft.set(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
          }}
        />
        <div className="row">
          <button type="button" className="button primary" onClick={run} disabled={tried.isPending}>
            <Play size={15} aria-hidden="true" /> {tried.isPending ? "Pricing…" : "Preview"}
          </button>
          <button
            type="button"
            className="button"
            disabled={original === undefined || text === original}
            onClick={() => draft.set(original ?? "")}
          >
            <RotateCcw size={15} aria-hidden="true" /> Policy in force
          </button>
          <button
            type="button"
            className="button"
            onClick={() => download("policy.toml", new Blob([text], { type: "application/toml" }))}
          >
            <Download size={15} aria-hidden="true" /> Save as a file
          </button>
        </div>
        <p className="dim">
          Ctrl Enter previews. To put a policy in force, save it, name the file in <code>POLICY</code>, and start
          the flow again.
        </p>
      </section>
      <section aria-label="Effect" aria-live="polite" aria-busy={tried.isPending}>
        <Problem text={tried.error?.message} />
        {tried.data && !tried.error ? <Effect effect={tried.data} /> : null}
        {!tried.data && !tried.error && !tried.isPending ? (
          <div className="empty">
            <h2>No preview yet</h2>
            <p>Change a number on the left, and preview it.</p>
          </div>
        ) : null}
      </section>
    </div>
  );
}
