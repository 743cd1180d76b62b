/** Keyboard shortcuts. */

import { useEffect } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { isTyping } from "../ui/typing";
import { open, opened } from "./dialogs/opened";
import { useLive } from "./live";
import { density, nextTheme, switchZone, theme } from "./preferences";
import { withKey } from "./session";

/** A shortcut that does nothing while a person types, or a dialog is open. */
export function shortcut(act: () => void): (event: KeyboardEvent) => void {
  return (event) => {
    if (isTyping(event) || opened.value) return;
    event.preventDefault();
    act();
  };
}

/** The shortcuts of the whole application; a page adds its own. */
export function useShellKeys(): void {
  const live = useLive();
  const [, go] = useLocation();
  useEffect(() => {
    return tinykeys(window, {
      "Shift+?": shortcut(() => open({ kind: "help" })),
      "?": shortcut(() => open({ kind: "help" })),
      "g b": shortcut(() => go("/")),
      "g i": shortcut(() => go("/interventions")),
      "g n": shortcut(() => go("/stock")),
      "g e": shortcut(() => go("/earned")),
      "g w": shortcut(() => go("/what-if")),
      "g s": shortcut(() => go("/system")),
      "g m": shortcut(() => go("/market")),
      "g a": shortcut(() => go("/market/inbox")),
      t: shortcut(() => theme.set(nextTheme())),
      d: shortcut(() => density.set(density.value === "compact" ? "comfortable" : "compact")),
      z: shortcut(switchZone),
      p: shortcut(() => (live.link.state.value.kind === "paused" ? live.resume() : live.pause())),
      f: shortcut(() => void withKey(() => open({ kind: "freeze", scope: "all" }))),
      u: shortcut(() => void withKey(() => open({ kind: "bulk" }))),
    });
  }, [live, go]);
}
