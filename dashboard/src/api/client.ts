/** The API's routes, typed by `schema.ts`, which `make client` generates. */

import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** An answer that is not a success, with the API's own words. `status` is 0 if there was no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 15_000;

export const api = createClient<paths>({
  fetch: async (request) => {
    try {
      return await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      throw new ApiError(0, "The API does not answer; nothing was changed.");
    }
  },
});

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer. Raises ApiError for every other answer. */
export async function answer<T>(asked: Promise<Reply<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  const problem = (error as { error?: string } | null)?.error;
  throw new ApiError(response.status, problem ?? `the API answered ${response.status}`);
}
