/** Names and numbers of this page, for people. */

import { formatNumber } from "../ui/format";

const NAMES: Record<string, string> = {
  redis: "Redis",
  kafka: "Kafka",
  history: "History database",
  flow: "Pricing flow",
  price_updates: "price-updates (Kafka)",
  dead_letters: "dead-letters (Kafka)",
};

/** The name of a service or a sink. */
export const nameOf = (service: string) => NAMES[service] ?? service;

/** A number, or a dash if it is not known. */
export const numberText = (value: number | null | undefined) => (value == null ? "—" : formatNumber(value));

export const total = (counts: Record<string, number>) =>
  Object.values(counts).reduce((all, count) => all + count, 0);
