import { useEffect, useState } from "react";
import { setOverrides } from "../../api/overrides";
import type { ChangeResult, Override } from "../../api/types";
import { amountOf, changesOf, type Draft } from "./override-draft";

const PREVIEW_AFTER_MS = 250;
const PREVIEWED_MAX = 100;

/** The effect that a draft would have on the prices, asked from the API shortly after the last keystroke. */
export function usePreview(
  draft: Draft,
  ids: string[],
  before: Override[] | undefined,
  setError: (error: string) => void,
): ChangeResult[] {
  const [preview, setPreview] = useState<ChangeResult[]>([]);
  const value = amountOf(draft);
  useEffect(() => {
    if (value === null) {
      setPreview([]);
      return;
    }
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const results = await setOverrides(changesOf(draft, ids).slice(0, PREVIEWED_MAX), true);
        if (!current) return;
        setPreview(results);
        setError("");
      } catch (problem) {
        if (!current) return;
        setPreview([]);
        setError((problem as Error).message);
      }
    }, PREVIEW_AFTER_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [value, draft.mode, before]);
  return preview;
}
