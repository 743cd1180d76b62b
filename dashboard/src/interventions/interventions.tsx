/** The changes that people have made: overrides and freezes in force, and the audit trail of all overrides. */

import { Tabs } from "radix-ui";
import { useLocation, useSearch } from "wouter";
import { open } from "../shell/dialogs/opened";
import { NeedsKey } from "../shell/needs-key";
import { useKeyState, withKey } from "../shell/session";
import { Active } from "./active";
import { Audit } from "./audit";
import { Freezes } from "./freezes";
import "./interventions.css";

const TABS = { active: "Overrides in force", freezes: "Freezes", audit: "Audit trail" };

export default function Interventions() {
  const hasKey = useKeyState() === "given";
  const search = useSearch();
  const [, go] = useLocation();
  const asked = new URLSearchParams(search).get("tab");
  const tab = asked && asked in TABS ? asked : "active";
  return (
    <div className="page">
      <Title />
      <Tabs.Root value={tab} onValueChange={(name) => go(`/interventions?tab=${name}`, { replace: true })}>
        <Tabs.List className="tabs" aria-label="Interventions">
          {Object.entries(TABS).map(([name, title]) => (
            <Tabs.Trigger key={name} value={name}>
              {title}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <Tabs.Content value="active" className="card">
          {hasKey ? <Active /> : <NeedsKey what="Overrides" />}
        </Tabs.Content>
        <Tabs.Content value="freezes" className="card">
          <Freezes />
        </Tabs.Content>
        <Tabs.Content value="audit" className="card">
          {hasKey ? <Audit /> : <NeedsKey what="The audit trail" />}
        </Tabs.Content>
      </Tabs.Root>
    </div>
  );
}

function Title() {
  return (
    <header className="title">
      <div>
        <h1>Interventions</h1>
        <p className="dim">Prices that people have set, and prices that people have stopped.</p>
      </div>
      <div className="spacer" />
      <div className="buttons">
        <button type="button" className="button" onClick={() => void withKey(() => open({ kind: "bulk" }))}>
          Set from a CSV…
        </button>
        <button
          type="button"
          className="button danger"
          onClick={() => void withKey(() => open({ kind: "freeze", scope: "all" }))}
        >
          Freeze…
        </button>
      </div>
    </header>
  );
}
