/** The bar at the top of every page: navigation, the live badge, and the buttons that belong to no page. */

import { HelpCircle, Moon, Pause, Play, Snowflake, Sun, SunMoon } from "lucide-react";
import { Link as A } from "wouter";
import { useSignal } from "../ui/signal";
import { timeZone, zoneName } from "../ui/zone";
import { open } from "./dialogs/opened";
import { LinkBadge } from "./link-badge";
import { useLive } from "./live";
import { PageLinks } from "./navigation";
import { nextTheme, switchZone, theme } from "./preferences";
import { session, useKeyState, withKey } from "./session";

export function TopBar() {
  return (
    <header className="top">
      <A href="/" className="brand" aria-label="Pricewax: board">
        <svg viewBox="0 0 16 16" width="22" height="22" aria-hidden="true">
          <rect width="16" height="16" rx="4" />
          <path d="M4 11l3-4 2 2 3-5" />
        </svg>
        Pricewax
      </A>
      <PageLinks />
      <div className="spacer" />
      <LinkBadge />
      <PauseButton />
      <button
        type="button"
        className="button danger stop"
        onClick={() => void withKey(() => open({ kind: "freeze", scope: "all" }))}
      >
        <Snowflake size={15} aria-hidden="true" /> Stop
      </button>
      <ZoneButton />
      <ThemeButton />
      <KeyButton />
      <button
        type="button"
        className="icon wide-only"
        aria-label="Keyboard shortcuts"
        onClick={() => open({ kind: "help" })}
      >
        <HelpCircle size={18} aria-hidden="true" />
      </button>
    </header>
  );
}

function PauseButton() {
  const live = useLive();
  const paused = useSignal(live.link.state).kind === "paused";
  return (
    <button
      type="button"
      className="icon"
      aria-pressed={paused}
      aria-label={paused ? "Resume live updates" : "Pause live updates"}
      onClick={() => (paused ? live.resume() : live.pause())}
    >
      {paused ? <Play size={18} aria-hidden="true" /> : <Pause size={18} aria-hidden="true" />}
    </button>
  );
}

function ZoneButton() {
  const zone = useSignal(timeZone);
  const name = zoneName();
  return (
    <button
      type="button"
      className="button quiet wide-only"
      aria-label={`Times are in ${name}; show ${zone === "utc" ? "this computer's zone" : "UTC"}`}
      title={`Times are in ${name}`}
      onClick={switchZone}
    >
      {name.split("/").at(-1)?.replaceAll("_", " ")}
    </button>
  );
}

function ThemeButton() {
  const chosen = useSignal(theme);
  const Icon = { system: SunMoon, light: Sun, dark: Moon }[chosen];
  return (
    <button
      type="button"
      className="icon wide-only"
      aria-label={`Theme: ${chosen}`}
      onClick={() => theme.set(nextTheme())}
    >
      <Icon size={18} aria-hidden="true" />
    </button>
  );
}

function KeyButton() {
  const state = useKeyState();
  if (state === "given") {
    return (
      <button type="button" className="button quiet wide-only" onClick={() => session.forget()}>
        Lock
      </button>
    );
  }
  return (
    <button type="button" className="button quiet" onClick={() => void session.need()}>
      {state === "refused" ? "Key expired" : "Read-only"}
    </button>
  );
}
