/** The API's routes, typed by `schema.ts`, which `make client` generates. */

import createClient from "openapi-fetch";
import type { paths } from "./schema";
import { ROOT } from "./site";

/** An answer that is not a success, with the API's own words. `status` is 0 if there was no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }

  /** It is not known if the request has changed something: there was no answer, or one of a proxy or a server that
   * failed. */
  get isUnknown(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

const TIMEOUT_MS = 15_000;
const NO_ANSWER = "The API does not answer.";
export const NOT_CONFIRMED = "Not confirmed: it may still take effect. Look at the lists before you try again.";

export const api = createClient<paths>({
  baseUrl: ROOT.href.replace(/\/$/, ""),
  fetch: async (request) => {
    try {
      return await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      throw new ApiError(0, request.method === "GET" ? NO_ANSWER : `${NO_ANSWER} ${NOT_CONFIRMED}`);
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
