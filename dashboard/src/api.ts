/** The API's routes, as the pages use them. Times are milliseconds (`_ms`) or RFC 3339 text; amounts are in the
 * policy's currency. */

import { session } from "./state/session";

export type Source = "base" | "dynamic" | "override";

export interface Adjustment {
  rule: string;
  amount: number;
  reason: string;
}

export interface PriceUpdate {
  type: "price_update";
  product_id: string;
  new_price: number;
  timestamp: number;
  version: number;
  previous_price: number | null;
  demand: number;
  price_source: Source;
  event_time_ms: number;
  policy: string;
  adjustments: Adjustment[];
  snapshot?: boolean;
}

/** product_id, name, category, price, demand, source, version, updated_at_ms, bound_by, day_open */
export type BoardRow = [
  string,
  string,
  string,
  number,
  number,
  Source,
  number,
  number,
  string | null,
  number | null,
];

export interface BoardPage {
  token: string;
  reset: boolean;
  more: boolean;
  loading: boolean;
  total: number;
  rows: BoardRow[];
}

export interface Explanation {
  product_id: string;
  price: number;
  version: number;
  policy: string;
  event_time_ms: number;
  inputs: { base_price: number | null; demand: number; previous_price: number | null; price_source: Source };
  adjustments: Adjustment[];
  bound_by: string | null;
  text: string;
}

export interface Decision {
  price: number;
  event_time: string;
  price_source: Source;
  demand: number;
  version: number;
  policy: string;
  adjustments: Adjustment[];
  bound_by: string | null;
  cause: string;
  source: { topic: string; partition: number; offset: number };
  text: string;
}

/** event_time_ms, price, demand, source, version */
export type ChartPoint = [number, number, number, Source, number];

export interface Override {
  product_id: string;
  override_price: number;
  reason: string;
  set_by: string;
  set_at: string;
  expires_at: string | null;
}

export interface PastOverride extends Override {
  removed_at: string | null;
}

export interface Freeze {
  scope: string;
  reason: string;
  set_by: string;
  set_at: string;
}

export interface PastFreeze extends Freeze {
  lifted_at: string | null;
}

export interface Change {
  product_id: string;
  override_price?: number;
  change_percent?: number;
  reason?: string;
  expires_at?: string | null;
  expected_set_at?: string | null;
}

export interface ChangeResult {
  product_id: string | null;
  status: "upserted" | "would be set" | "refused" | "conflict";
  error?: string;
  override_price?: number;
  old_price?: number | null;
  new_price?: number | null;
  change_percent?: number | null;
  warnings?: string[];
}

export interface Removal {
  product_id: string;
  deleted: boolean;
  error?: string;
}

export interface DeadLetter {
  error_code: string;
  stage: string;
  detail: string;
  source: { topic: string; partition: number; offset: number };
  text: string;
  raw_size: number;
  at: number;
  replayed: boolean;
}

export interface Quantiles {
  p50: number | null;
  p99: number | null;
}

export interface SinkStatus {
  written: number;
  errors: number;
  pending: number;
  breaker_open: boolean;
  latency_ms: Quantiles;
}

export interface Status {
  at_ms: number;
  dependencies: Record<"redis" | "kafka" | "history" | "flow", "up" | "down" | "none">;
  flow: {
    processes: number;
    events: number;
    events_per_s: number | null;
    products: number;
    lag: number;
    dead_letters: Record<string, number>;
    alerts: Record<string, number>;
    refills: number;
    history_backlog: number;
    sinks: Record<string, SinkStatus>;
  } | null;
  relay: { updates_per_s: number; last_update_ms: number | null; latency_ms: Quantiles; clients: number };
  freezes: Freeze[] | null;
  policy: {
    version: string;
    currency: string;
    demand: { weights: Record<string, number>; factor: number; half_life_s: number | null };
    guardrails: Record<string, unknown>;
  };
  versions: Record<string, string>;
}

/** An answer that is not a success, with the API's own words. `status` 0: there was no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 15_000;

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = session.key ? { [session.header]: session.key } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0, "The API does not answer; nothing was changed.");
  }
  const reply = await answer.json().catch(() => null);
  if (!answer.ok) {
    if (answer.status === 401 && (session.refused() || session.state.value === "refused")) {
      throw new ApiError(401, "The API does not take your key any more. Nothing was changed; give the key again.");
    }
    throw new ApiError(answer.status, reply?.error ?? `the API answered ${answer.status}`);
  }
  return reply as T;
}

export const get = <T>(path: string) => call<T>("GET", path);

export function query(parameters: Record<string, string | number | boolean | null | undefined>): string {
  const set = Object.entries(parameters).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  return new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
}

const LINES_A_REQUEST = 100;

/** Set prices, or with `dryRun` only say what each line would do. Results are in the order of the changes. */
export async function setOverrides(
  changes: Change[],
  dryRun: boolean,
  onProgress?: (done: number) => void,
): Promise<ChangeResult[]> {
  const results: ChangeResult[] = [];
  for (let start = 0; start < changes.length; start += LINES_A_REQUEST) {
    const lines = changes.slice(start, start + LINES_A_REQUEST);
    const reply = await call<{ results: ChangeResult[] }>("POST", "/overrides", {
      changes: lines,
      dry_run: dryRun,
    });
    results.push(...reply.results);
    onProgress?.(results.length);
  }
  return results;
}

export async function removeOverrides(productIds: string[]): Promise<Removal[]> {
  const results: Removal[] = [];
  for (let start = 0; start < productIds.length; start += LINES_A_REQUEST) {
    const ids = productIds.slice(start, start + LINES_A_REQUEST);
    const reply = await call<{ results: Removal[] }>("POST", "/overrides/remove", { product_ids: ids });
    results.push(...reply.results);
  }
  return results;
}

export const activeOverrides = async () => (await get<{ overrides: Override[] }>("/overrides")).overrides;
