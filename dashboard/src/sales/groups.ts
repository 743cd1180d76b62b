/** Groups of sales: the view in the address, the request, and the sums over all groups. */

import { answer, api } from "../api/client";
import type { SalesGroup } from "../api/types";

export const GROUPS = {
  product: "Product",
  category: "Category",
  day: "Day",
  policy: "Policy",
  price_source: "Source",
  rule: "Rule",
} as const;
export type By = keyof typeof GROUPS;

/** Lengths in milliseconds; null for all. */
export const RANGES = { "1d": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000, all: null } as const;
export type Range = keyof typeof RANGES;

/** The most groups that the page shows. */
const GROUPS_MAX = 500;

export interface View {
  by: By;
  range: Range;
}

export function readView(address: string): View {
  const asked = new URLSearchParams(address);
  const by = asked.get("by") ?? "";
  const range = asked.get("range") ?? "";
  return {
    by: by in GROUPS ? (by as By) : "product",
    range: range in RANGES ? (range as Range) : "all",
  };
}

/** Only the parts that differ from the default view. */
export function writeView({ by, range }: View): string {
  const asked = new URLSearchParams();
  if (by !== "product") asked.set("by", by);
  if (range !== "all") asked.set("range", range);
  return asked.toString();
}

/** The groups of a view. Raises ApiError. */
export async function readGroups({ by, range }: View, now: number): Promise<SalesGroup[]> {
  const span = RANGES[range];
  const from = span === null ? {} : { from: new Date(now - span).toISOString() };
  const query = { by, limit: GROUPS_MAX, ...from };
  return (await answer(api.GET("/sales", { params: { query } }))).sales;
}

/** Products that sold beyond their stock, and the units that are missing. */
export interface Oversold {
  products: number;
  units: number;
  /** There are more products than these. */
  more: boolean;
}

/** Raises ApiError. */
export async function readOversold(): Promise<Oversold> {
  const query = { oversold: "1", limit: GROUPS_MAX } as const;
  const page = await answer(api.GET("/inventory", { params: { query } }));
  const units = page.products.reduce((all, each) => all + each.oversold, 0);
  return { products: page.products.length, units, more: page.next_cursor !== null };
}

export interface Total {
  orders: number;
  units: number;
  revenue: number;
  margin: number | null;
  unpriced: number;
}

/** The sums over groups that share no orders: not over rules. */
export function totalOf(groups: SalesGroup[]): Total {
  const margins = groups.flatMap((group) => (group.margin === null ? [] : [group.margin]));
  const sum = (values: number[]) => values.reduce((all, value) => all + value, 0);
  return {
    orders: sum(groups.map((group) => group.orders)),
    units: sum(groups.map((group) => group.units)),
    revenue: sum(groups.map((group) => group.revenue)),
    margin: margins.length ? sum(margins) : null,
    unpriced: sum(groups.map((group) => group.unpriced)),
  };
}

/** The length of a bar, from 0 to 1: the share of the greatest amount. */
export const shareOf = (amount: number, greatest: number): number =>
  greatest > 0 ? Math.min(1, Math.abs(amount) / greatest) : 0;

type Column = Pick<SalesGroup, "key" | "revenue" | "margin">;

const DAY_MS = 86_400_000;
/** The most columns that can be told apart. */
const COLUMNS = 400;

/** A column for each day from the first to the last group, days without orders included; the newest ones, if there are too
 * many. Groups are days (`2026-01-31`), in order. */
export function columnsOf(groups: SalesGroup[]): Column[] {
  const byDay = new Map(groups.map((group) => [group.key, group]));
  const last = Date.parse(groups.at(-1)?.key ?? "");
  const first = Math.max(Date.parse(groups[0]?.key ?? ""), last - (COLUMNS - 1) * DAY_MS);
  const columns: Column[] = [];
  for (let day = first; day <= last; day += DAY_MS) {
    const key = new Date(day).toISOString().slice(0, 10);
    columns.push(byDay.get(key) ?? { key, revenue: 0, margin: 0 });
  }
  return columns;
}
