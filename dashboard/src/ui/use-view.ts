import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";

/** The view of a list in the address of its page, and a function that changes parts of it. `read` and `write` must be the
 * same at each drawing. */
export function useView<View>(
  path: string,
  read: (address: string) => View,
  write: (view: View) => string,
): [View, (change: Partial<View>) => void] {
  const search = useSearch();
  const [, go] = useLocation();
  const view = useMemo(() => read(search), [read, search]);
  const setView = useCallback(
    (change: Partial<View>) => {
      const text = write({ ...view, ...change });
      go(text ? `${path}?${text}` : path, { replace: true });
    },
    [view, write, path, go],
  );
  return [view, setView];
}
