import { useEffect, useState } from "react";
import { previewOverrides } from "../../api/overrides";
import type { ChangeResult, Override } from "../../api/types";
import { changesOf, type Draft } from "./override-draft";

const PREVIEW_AFTER_MS = 250;
const PREVIEWED_MAX = 100;

/** The effect that a draft with this amount would have on the prices, asked from the API shortly after the last keystroke. */
export function usePreview(
  draft: Draft,
  value: number | null,
  ids: string[],
  before: Override[] | undefined,
  setError: (error: string) => void,
): ChangeResult[] {
  const [preview, setPreview] = useState<ChangeResult[]>([]);
  useEffect(() => {
    if (value === null) {
      setPreview([]);
      return;
    }
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const results = await previewOverrides(changesOf(draft, value, ids).slice(0, PREVIEWED_MAX));
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
