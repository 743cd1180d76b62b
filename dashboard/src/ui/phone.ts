/** The phone layout: the same width as in the style sheets. */

import { useSyncExternalStore } from "react";

const media = typeof window === "undefined" ? null : window.matchMedia("(max-width: 640px)");

function subscribe(listener: () => void): () => void {
  media?.addEventListener("change", listener);
  return () => media?.removeEventListener("change", listener);
}

export function usePhone(): boolean {
  return useSyncExternalStore(subscribe, () => media?.matches ?? false);
}
