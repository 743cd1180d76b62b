/** Policies that are tried: the text that is being edited, the requests, and numbers of an answer. */

import { answer, api } from "../api/client";
import type { PolicyEffect } from "../api/types";
import { Signal } from "../ui/signal";

/** The most products that the page lists. */
const LISTED = 100;

/** The text in the editor, kept while the page is left; null before the policy in force was read. */
export const draft = new Signal<string | null>(null);

/** The text of the policy in force, with every setting. Raises ApiError. */
export async function readPolicy(): Promise<{ version: string; policy: string }> {
  return answer(api.GET("/policy"));
}

/** Raises ApiError, with the reason for a text that is no policy. */
export async function preview(policy: string): Promise<PolicyEffect> {
  return answer(api.POST("/policy/preview", { body: { policy, limit: LISTED } }));
}

/** The shares of products that are raised, lowered and unchanged, from 0 to 1. */
export function sharesOf({ products, raised, lowered, unchanged }: PolicyEffect): [number, number, number] {
  return products ? [raised / products, lowered / products, unchanged / products] : [0, 0, 0];
}
