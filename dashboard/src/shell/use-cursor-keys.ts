import { useEffect } from "react";
import { tinykeys } from "tinykeys";
import { isTyping } from "../ui/typing";
import { opened } from "./dialogs/opened";
import { shortcut } from "./keys";

export interface Cursor {
  /** The position of the current row in `ids`; -1 for none. */
  at: number;
  moveTo: (index: number) => void;
}

/** The shortcuts of a list: move the cursor, and open the row. */
export function useCursorKeys(ids: string[], { at, moveTo }: Cursor, onOpen: (id: string) => void): void {
  useEffect(() => {
    const move = (by: number) => shortcut(() => moveTo(Math.min(ids.length - 1, Math.max(0, at + by))));
    const current = ids[at];
    return tinykeys(window, {
      ArrowDown: move(1),
      ArrowUp: move(-1),
      j: move(1),
      k: move(-1),
      PageDown: move(10),
      PageUp: move(-10),
      Home: move(-ids.length),
      End: move(ids.length),
      Enter: (event) => {
        if (current && !isTyping(event) && !opened.value && !onControl(event)) onOpen(current);
      },
    });
  }, [ids, at, moveTo, onOpen]);
}

/** True if a button or a link has the focus: the key belongs to it. */
function onControl(event: KeyboardEvent): boolean {
  return (event.target as HTMLElement).closest("button, a, [role=menuitem]") !== null;
}
