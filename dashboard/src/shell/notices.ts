/** Short messages at the edge of the page, each perhaps with something to undo. */

import { Signal } from "../ui/signal";

export interface Notice {
  id: number;
  text: string;
  kind: "done" | "error";
  /** Takes the change back; offered for ten seconds. */
  undo?: () => Promise<void>;
}

export const UNDO_MS = 10_000;
export const notices = new Signal<Notice[]>([]);
/** The last important change, for screen readers. */
export const announcement = new Signal("");
let next = 0;

export function notify(text: string, kind: Notice["kind"] = "done", undo?: () => Promise<void>): void {
  next += 1;
  notices.set([...notices.value.slice(-3), { id: next, text, kind, undo }]);
  announcement.set(text);
}

/** For `catch`: show what went wrong. */
export function notifyProblem(problem: unknown): void {
  notify((problem as Error).message, "error");
}

export function dismiss(id: number): void {
  notices.set(notices.value.filter((notice) => notice.id !== id));
}
