/** Pricing rules and guardrails, as the API names them. */

import type { Rule } from "../api/types";

export class Rules {
  readonly guardrails: ReadonlySet<string>;
  private readonly labels: ReadonlyMap<string, string>;

  constructor(rules: Rule[]) {
    this.guardrails = new Set(rules.filter((rule) => rule.kind === "guardrail").map((rule) => rule.name));
    this.labels = new Map(rules.map((rule) => [rule.name, rule.label]));
  }

  /** The text for people; the name itself if the API does not know it. */
  label(name: string): string {
    return this.labels.get(name) ?? name;
  }
}
