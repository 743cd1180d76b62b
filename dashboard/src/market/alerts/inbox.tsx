/** The inbox: alerts, the newest first, with a mark for those that were not read in this browser. */

import { useState } from "react";
import { Link as A } from "wouter";
import { readAlerts } from "../../shell/preferences";
import { Moment } from "../../ui/clock";
import { Problem } from "../../ui/problem";
import { useSignal } from "../../ui/signal";
import { addressOf, isSymbol } from "../address";
import type { Alert } from "../types";
import { unreadOf, withRead } from "./read";
import { ALERTS_SHOWN, useAlerts, useAlertWatch } from "./use-alerts";

export function Inbox() {
  const [symbol, setSymbol] = useState("");
  const usable = symbol === "" || isSymbol(symbol);
  const { data, error, isPending } = useAlerts(usable && symbol ? symbol : undefined);
  useAlertWatch();
  const read = useSignal(readAlerts);
  const unread = new Set(data && unreadOf(data, read).map((alert) => alert.id));
  const mark = (alerts: Alert[]) => readAlerts.set(withRead(read, alerts));
  return (
    <section className="card" aria-labelledby="inbox">
      <div className="row">
        <h2 id="inbox">Inbox</h2>
        <span className="dim" aria-live="polite">
          {unread.size ? `${unread.size} unread` : ""}
        </span>
        <div className="spacer" />
        <input
          className="compare"
          placeholder="Only this symbol"
          aria-label="Only this symbol"
          aria-invalid={!usable}
          maxLength={32}
          spellCheck={false}
          value={symbol}
          onChange={(event) => setSymbol(event.target.value.trim())}
        />
        <button type="button" className="button" disabled={!unread.size} onClick={() => data && mark(data)}>
          Mark all as read
        </button>
      </div>
      <Problem text={usable ? null : "A symbol has letters, digits and _ . : ^ = / - only."} />
      <Problem text={error && `${data ? "The list is not current. " : ""}${error.message}`} />
      {isPending ? <p className="loading">Loading…</p> : null}
      {data?.length === 0 ? (
        <p className="empty-note">{symbol ? `No alert of ${symbol} yet.` : "No alert yet."}</p>
      ) : null}
      {data?.length ? <List alerts={data} unread={unread} onRead={(alert) => mark([alert])} /> : null}
      {data?.length === ALERTS_SHOWN ? (
        <p className="dim small">
          The newest {ALERTS_SHOWN}. Older ones are on the topic <code>market-alerts</code>.
        </p>
      ) : null}
    </section>
  );
}

interface ListProps {
  alerts: Alert[];
  unread: ReadonlySet<string>;
  onRead: (alert: Alert) => void;
}

function List({ alerts, unread, onRead }: ListProps) {
  return (
    <section className="scroll" aria-label="Alerts" tabIndex={0}>
      <ul className="inbox">
        {alerts.map((alert) => (
          <Line key={alert.id} alert={alert} isUnread={unread.has(alert.id)} onRead={() => onRead(alert)} />
        ))}
      </ul>
    </section>
  );
}

interface LineProps {
  alert: Alert;
  isUnread: boolean;
  onRead: () => void;
}

function Line({ alert: { symbol, kind, severity, at, text }, isUnread, onRead }: LineProps) {
  return (
    <li className={isUnread ? "unread" : undefined}>
      {isUnread ? (
        <button
          type="button"
          className="unread-dot"
          aria-label={`Unread: mark as read, ${symbol}, ${text}`}
          title="Mark as read"
          onClick={onRead}
        />
      ) : (
        <span />
      )}
      <span>
        <A href={addressOf(symbol)} onClick={onRead}>
          {symbol}
        </A>
        <span className="tag">{kind.replaceAll("_", " ")}</span>
        {severity === "critical" ? <span className="tag critical">critical</span> : null}
      </span>
      <span className="dim small numbers">
        <Moment at={at} />
      </span>
      <p>{text}</p>
    </li>
  );
}
