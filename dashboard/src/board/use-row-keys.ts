import { useEffect } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { open, opened } from "../shell/dialogs/opened";
import { shortcut } from "../shell/keys";
import { withKey } from "../shell/session";
import { isTyping } from "../ui/typing";

interface Cursor {
  /** The position of the current row in `ids`; -1 for none. */
  at: number;
  moveTo: (index: number) => void;
}

/** The shortcuts of the board: move the cursor, open, select, and set prices. */
export function useRowKeys(
  ids: string[],
  cursor: Cursor,
  selected: ReadonlySet<string>,
  toggle: (id: string) => void,
): void {
  const [, go] = useLocation();
  const { at, moveTo } = cursor;
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
        if (current && !isTyping(event) && !opened.value && !onControl(event)) {
          go(`/product/${encodeURIComponent(current)}`);
        }
      },
      x: shortcut(() => {
        if (current) toggle(current);
      }),
      o: shortcut(() => {
        const chosen = selected.size ? [...selected] : [current ?? ""].filter(Boolean);
        if (chosen.length) void withKey(() => open({ kind: "override", ids: chosen }));
      }),
    });
  }, [ids, at, moveTo, go, toggle, selected]);
}

/** True if a button or a link has the focus: the key belongs to it. */
function onControl(event: KeyboardEvent): boolean {
  return (event.target as HTMLElement).closest("button, a, [role=menuitem]") !== null;
}
