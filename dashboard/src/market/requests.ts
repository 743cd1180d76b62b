/** The market's routes. Every function raises ApiError. */

import { answer, api } from "../api/client";
import type { Alert, AlertRule, Anomaly, BarList, MarketPrice, PastTick, RuleRequest, SymbolPage } from "./types";

/** The most rows of a page of symbols, anomalies or alerts. */
export const PAGE_MAX = 500;
/** The most ticks of an answer. */
export const TICKS_MAX = 1_000;
/** The most bars of an answer. */
export const BARS_MAX = 2_000;

const INTERVALS = { 60: "1m", 300: "5m", 900: "15m", 3_600: "1h", 86_400: "1d" } as const;

export const symbolsPage = (query: { search?: string; limit?: number; cursor?: string }): Promise<SymbolPage> =>
  answer(api.GET("/market/symbols", { params: { query } }));

export const latestTick = (symbol: string): Promise<MarketPrice> =>
  answer(api.GET("/market/prices/{symbol}", { params: { path: { symbol } } }));

/** The newest first. `from` is inclusive, `to` exclusive. */
export async function pastTicks(symbol: string, range: { from?: string; to?: string }): Promise<PastTick[]> {
  const params = { path: { symbol }, query: { ...range, limit: TICKS_MAX } };
  return (await answer(api.GET("/market/prices/{symbol}/history", { params }))).history;
}

/** The finest bars of which the range has at most `points`. */
export const barsByPoints = (symbol: string, points: number, from?: string): Promise<BarList> =>
  answer(
    api.GET("/market/bars/{symbol}", {
      params: { path: { symbol }, query: { interval: "auto", points, from } },
    }),
  );

/** The newest bars of an interval (s), the oldest first. */
export function barsByInterval(symbol: string, intervalS: number, limit: number, from?: string): Promise<BarList> {
  const interval = INTERVALS[intervalS as keyof typeof INTERVALS];
  const params = { path: { symbol }, query: { interval, limit, from } };
  return answer(api.GET("/market/bars/{symbol}", { params }));
}

/** The newest first; of all symbols without `symbol`. */
export const anomaliesOf = async (query: { symbol?: string; from?: string; limit: number }): Promise<Anomaly[]> =>
  (await answer(api.GET("/market/anomalies", { params: { query } }))).anomalies;

/** The newest first; of all symbols without `symbol`. */
export const alertsOf = async (query: { symbol?: string; limit: number }): Promise<Alert[]> =>
  (await answer(api.GET("/market/alerts", { params: { query } }))).alerts;

export const alertRules = async (): Promise<AlertRule[]> => (await answer(api.GET("/market/rules"))).rules;

export const addRule = (body: RuleRequest): Promise<AlertRule> => answer(api.POST("/market/rules", { body }));

export const deleteRule = (id: string) =>
  answer(api.DELETE("/market/rules/{rule_id}", { params: { path: { rule_id: id } } }));
