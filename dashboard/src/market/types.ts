/** Short names for the generated types of the market's routes. Times are RFC 3339 text, exact to the microsecond; `start`
 * is in seconds. */

import type { components, paths } from "../api/schema";

type Schemas = components["schemas"];

export type SymbolShown = Schemas["SymbolShown"];
export type SymbolPage = Schemas["SymbolPage"];
/** A tick of the past. A late one has no averages. */
export type PastTick = Schemas["PastTickShown"];
/** The latest tick of a symbol. */
export type MarketPrice = Schemas["MarketPrice"];
export type Bar = Schemas["BarShown"];
export type BarList = Schemas["BarList"];
export type Anomaly = Schemas["AnomalyShown"];
export type RuleRequest = NonNullable<paths["/market/rules"]["post"]["requestBody"]>["content"]["application/json"];
export type RuleKind = RuleRequest["kind"];
export type AlertRule = Schemas["RuleList"]["rules"][number];
export type Alert = Schemas["AlertList"]["alerts"][number];
