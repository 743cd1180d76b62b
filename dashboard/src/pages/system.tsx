/** Whether the system is healthy, in numbers; and the messages it could not use. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, type DeadLetter, get, type Quantiles, type Status } from "../api";
import { formatAge, formatMilliseconds, formatNumber, formatWhole } from "../lib/format";
import { Modal } from "../parts/dialogs";
import { Moment, useNow } from "../parts/price";
import { notify } from "../state/notices";
import { useSignal } from "../state/signal";
import { useKeyState, usePrices, useStatus } from "../state/store";
import { NeedsKey } from "./product";

const NAMES: Record<string, string> = {
  redis: "Redis",
  kafka: "Kafka",
  history: "History database",
  flow: "Pricing flow",
  price_updates: "price-updates (Kafka)",
  dead_letters: "dead-letters (Kafka)",
};
const SAYS = { up: "up", down: "down", none: "not configured" };

export default function System() {
  const { data: status, error, isPending } = useStatus();
  return (
    <div className="page">
      <header className="title">
        <div>
          <h1>System</h1>
          <p className="dim">As of now, over the last seconds.</p>
        </div>
      </header>
      {error && !status ? (
        <p className="error" role="alert">
          {error.message}
        </p>
      ) : null}
      {isPending ? <p className="loading">Loading…</p> : null}
      {status ? <Health status={status} /> : null}
      <DeadLetters counts={status?.flow?.dead_letters ?? {}} />
    </div>
  );
}

function Health({ status }: { status: Status }) {
  const prices = usePrices();
  const link = useSignal(prices.link.state);
  const now = useNow();
  const { flow, relay, policy } = status;
  const toScreen = sum(flow?.sinks.price_updates?.latency_ms.p50 ?? null, relay.latency_ms.p50);
  const toScreen99 = sum(flow?.sinks.price_updates?.latency_ms.p99 ?? null, relay.latency_ms.p99);
  return (
    <>
      <div className="tiles">
        {(Object.keys(status.dependencies) as (keyof Status["dependencies"])[]).map((name) => (
          <div key={name} className={`tile ${status.dependencies[name]}`}>
            <span className="dim">{NAMES[name]}</span>
            <strong>
              <span className="dot" aria-hidden="true" /> {SAYS[status.dependencies[name]]}
            </strong>
          </div>
        ))}
        <Tile name="Events a second" value={number(flow?.events_per_s)} />
        <Tile name="Updates a second" value={formatNumber(relay.updates_per_s)} />
        <Tile name="Lag (messages)" value={number(flow?.lag)} />
        <Tile name="Products" value={number(flow?.products)} />
        <Tile
          name="Event to screen, p50, p99"
          value={`≤ ${formatMilliseconds(toScreen)}, ${formatMilliseconds(toScreen99)}`}
        />
        <Tile
          name="Last update"
          value={relay.last_update_ms ? `${formatAge(now - relay.last_update_ms)} ago` : "none yet"}
        />
        <Tile name="History backlog" value={number(flow?.history_backlog)} />
        <Tile name="WebSocket clients" value={formatWhole(relay.clients)} />
      </div>
      <div className="columns">
        <section className="card" aria-labelledby="sinks">
          <h2 id="sinks">Sinks</h2>
          {flow ? (
            <section className="scroll" aria-labelledby="sinks" tabIndex={0}>
              <table className="plain numbers">
                <thead>
                  <tr>
                    <th scope="col">Sink</th>
                    <th scope="col">State</th>
                    <th scope="col">Pending</th>
                    <th scope="col">Written</th>
                    <th scope="col">Errors</th>
                    <th scope="col">p50</th>
                    <th scope="col">p99</th>
                  </tr>
                </thead>
                <tbody>
                  {Object.entries(flow.sinks).map(([name, sink]) => (
                    <tr key={name}>
                      <th scope="row">{NAMES[name] ?? name}</th>
                      <td>
                        <span className={`tag ${sink.breaker_open ? "bad" : "good"}`}>
                          {sink.breaker_open ? "breaker open" : "writing"}
                        </span>
                      </td>
                      <td>{formatWhole(sink.pending)}</td>
                      <td>{formatWhole(sink.written)}</td>
                      <td>{formatWhole(sink.errors)}</td>
                      <td>{bound(sink.latency_ms, "p50")}</td>
                      <td>{bound(sink.latency_ms, "p99")}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </section>
          ) : (
            <p className="empty-note">
              The flow does not answer: set FLOW_METRICS to its metrics addresses if it runs elsewhere.
            </p>
          )}
          <p className="dim small">
            Latency: from an event's arrival in Kafka to the confirmed write. Redis refills: {number(flow?.refills)}
            . Guardrail alerts:{" "}
            {number(Object.values(flow?.alerts ?? {}).reduce((total, count) => total + count, 0))}. Flow processes:{" "}
            {number(flow?.processes)}.
          </p>
        </section>
        <section className="card" aria-labelledby="policy">
          <h2 id="policy">Policy in force</h2>
          <dl className="facts">
            <dt>Version</dt>
            <dd>{policy.version}</dd>
            <dt>Currency</dt>
            <dd>{policy.currency}</dd>
            <dt>Demand</dt>
            <dd>
              {Object.entries(policy.demand.weights)
                .map(([name, weight]) => `${name} ${weight}`)
                .join(", ")}
              ; {policy.demand.factor} × √demand
              {policy.demand.half_life_s ? `; half-life ${policy.demand.half_life_s} s` : ""}
            </dd>
            {Object.entries(policy.guardrails)
              .filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length))
              .map(([name, value]) => (
                <div key={name} className="pair">
                  <dt>{name.replaceAll("_", " ")}</dt>
                  <dd>{Array.isArray(value) ? value.join(", ") : String(value)}</dd>
                </div>
              ))}
          </dl>
          <h2>Versions</h2>
          <dl className="facts">
            {Object.entries(status.versions).map(([name, version]) => (
              <div key={name} className="pair">
                <dt>{name}</dt>
                <dd>{version}</dd>
              </div>
            ))}
          </dl>
          <h2>This page</h2>
          <dl className="facts">
            <dt>Live link</dt>
            <dd>{link.kind}</dd>
            <dt>Reconnects, gaps</dt>
            <dd>
              {prices.link.reconnects}, {prices.link.gaps}
            </dd>
            <dt>Updates drawn</dt>
            <dd>{formatWhole(prices.updates)}</dd>
          </dl>
        </section>
      </div>
    </>
  );
}

function Tile({ name, value }: { name: string; value: string }) {
  return (
    <div className="tile">
      <span className="dim">{name}</span>
      <strong className="numbers">{value}</strong>
    </div>
  );
}

const number = (value: number | null | undefined) => (value == null ? "—" : formatNumber(value));
const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);

/** The flow's latencies are bounds of histogram buckets. */
function bound(latency: Quantiles, name: keyof Quantiles): string {
  const value = latency[name];
  return value === null ? "—" : `≤ ${formatMilliseconds(value)}`;
}

const keyOf = (letter: DeadLetter) => `${letter.source.topic}:${letter.source.partition}:${letter.source.offset}`;

function DeadLetters({ counts }: { counts: Record<string, number> }) {
  const hasKey = useKeyState() === "given";
  const [code, setCode] = useState("");
  const [shown, setShown] = useState<DeadLetter | null>(null);
  const letters = useQuery({
    queryKey: ["dead-letters", code],
    enabled: hasKey,
    refetchInterval: 15_000,
    queryFn: () =>
      get<{ dead_letters: DeadLetter[] }>(
        `/dead-letters?limit=100${code ? `&code=${encodeURIComponent(code)}` : ""}`,
      ),
  });
  const total = Object.values(counts).reduce((all, count) => all + count, 0);
  return (
    <section className="card" aria-labelledby="letters">
      <div className="row">
        <h2 id="letters">Dead letters</h2>
        <span className="dim">{formatWhole(total)} since the flow started</span>
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
      {letters.data?.dead_letters.length === 0 ? (
        <p className="empty-note">None: every message could be used.</p>
      ) : null}
      {letters.data?.dead_letters.length ? (
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
              {letters.data.dead_letters.map((letter) => (
                <tr key={keyOf(letter)}>
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
                    <button
                      type="button"
                      className="button"
                      aria-label={`Inspect ${keyOf(letter)}`}
                      onClick={() => setShown(letter)}
                    >
                      {letter.replayed ? "Sent again" : "Inspect"}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ) : null}
      {shown ? <LetterDialog letter={shown} onClose={() => setShown(null)} /> : null}
    </section>
  );
}

function LetterDialog({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
  const queries = useQueryClient();
  const [text, setText] = useState(letter.text);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const whole = new TextEncoder().encode(letter.text).length >= letter.raw_size;

  async function replay() {
    setBusy(true);
    setError("");
    try {
      const value = whole && text !== letter.text ? { value: text } : {};
      await call("POST", "/dead-letters/replay", { source: letter.source, again: letter.replayed, ...value });
      notify(`Sent again to ${letter.source.topic}`);
      setTimeout(() => void queries.invalidateQueries({ queryKey: ["dead-letters"] }), 300);
      onClose();
    } catch (problem) {
      setError((problem as Error).message);
    } finally {
      setBusy(false);
    }
  }

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
      {error ? (
        <p className="error" role="alert">
          {error}
        </p>
      ) : null}
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="button" className="button primary" disabled={busy} onClick={() => void replay()}>
          {busy ? "Sending…" : text === letter.text ? "Send it again" : "Send the changed message"}
        </button>
      </div>
    </Modal>
  );
}
