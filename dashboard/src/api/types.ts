/** Short names for the generated types. Times are milliseconds (`_ms`) or RFC 3339 text; amounts are in the
 * policy's currency. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Adjustment = Schemas["AdjustmentShown"];
export type Source = Schemas["Price"]["price_source"];
export type Explanation = Schemas["ExplanationShown"];
export type Decision = Schemas["HistoryDetail"];
/** A product of the inventory. */
export type Stocked = Schemas["InventoryShown"];
/** The sums of a group of orders. */
export type SalesGroup = Schemas["SalesGroupShown"];
/** The effect that another policy would have on today's products. */
export type PolicyEffect = Schemas["PolicyPreviewed"];
/** A product whose price another policy would change. */
export type PricedAnew = Schemas["PricedAnewShown"];
export type Override = Schemas["OverrideShown"];
export type PastOverride = Schemas["PastOverrideShown"];
export type Freeze = Schemas["FreezeShown"];
export type PastFreeze = Schemas["PastFreezeShown"];
export type ChangeResult = Schemas["BulkResult"];
export type Removal = Schemas["BulkRemoval"];
export type DeadLetter = Schemas["DeadLetterShown"];
export type Status = Schemas["Status"];
export type Flow = Schemas["FlowShown"];
export type Quantiles = Schemas["Quantiles"];
/** A pricing rule or a guardrail, as adjustments name it. */
export type Rule = Status["policy"]["rules"][number];
