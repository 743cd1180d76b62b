import { useCallback, useEffect } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { open } from "../shell/dialogs/opened";
import { shortcut } from "../shell/keys";
import { withKey } from "../shell/session";
import { type Cursor, useCursorKeys } from "../shell/use-cursor-keys";

/** The shortcuts of the board: those of a list, and to select rows and set prices. */
export function useRowKeys(
  ids: string[],
  cursor: Cursor,
  selected: ReadonlySet<string>,
  toggle: (id: string) => void,
): void {
  const [, go] = useLocation();
  const onOpen = useCallback((id: string) => go(`/product/${encodeURIComponent(id)}`), [go]);
  useCursorKeys(ids, cursor, onOpen);
  const current = ids[cursor.at];
  useEffect(() => {
    return tinykeys(window, {
      x: shortcut(() => {
        if (current) toggle(current);
      }),
      o: shortcut(() => {
        const chosen = selected.size ? [...selected] : [current ?? ""].filter(Boolean);
        if (chosen.length) void withKey(() => open({ kind: "override", ids: chosen }));
      }),
    });
  }, [current, toggle, selected]);
}
