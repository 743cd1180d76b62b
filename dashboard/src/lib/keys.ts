import { opened } from "../parts/dialogs";
import { session } from "../state/session";

/** Whether a key that was pressed is part of what a person types, or of the browser's own. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** A shortcut that holds back while somebody types, or a dialog is open. */
export function shortcut(act: () => void): (event: KeyboardEvent) => void {
  return (event) => {
    if (isTyping(event) || opened.value) return;
    event.preventDefault();
    act();
  };
}

/** Do something that needs the admin key, once there is one. */
export async function withKey(act: () => void): Promise<void> {
  if (await session.need()) act();
}
