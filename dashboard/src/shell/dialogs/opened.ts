/** The dialog that is open, one at a time; opened from anywhere. */

import { Signal } from "../../ui/signal";

export type Opened =
  | { kind: "key"; done: (given: boolean) => void }
  | { kind: "override"; ids: string[] }
  | { kind: "bulk" }
  | { kind: "freeze"; scope: string }
  | { kind: "help" };

export const opened = new Signal<Opened | null>(null);
export const open = (dialog: Opened) => opened.set(dialog);
export const close = () => opened.set(null);

/** Open the key dialog; true if the person gave the key. A dialog that was open comes back after it. */
export function askForKey(): Promise<boolean> {
  return new Promise((resolve) => {
    const below = opened.value;
    const done = (given: boolean) => {
      opened.set(given ? below : null);
      resolve(given);
    };
    open({ kind: "key", done });
  });
}
