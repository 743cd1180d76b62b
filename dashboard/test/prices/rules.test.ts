import { describe, expect, test } from "vitest";
import type { Rule } from "../../src/api/types";
import { Rules } from "../../src/prices/rules";

const rule = (name: string, kind: Rule["kind"], label: string): Rule => ({ name, kind, label, reason: "" });
const rules = new Rules([rule("demand", "rule", "demand"), rule("max_step", "guardrail", "largest step")]);

describe("rules and guardrails", () => {
  test("have the labels that the API gives", () => {
    expect(rules.label("max_step")).toBe("largest step");
  });
  test("keep their name if the API does not know them", () => {
    expect(rules.label("new_rule")).toBe("new_rule");
  });
  test("are told apart by their kind", () => {
    expect([...rules.guardrails]).toEqual(["max_step"]);
  });
});
