import { describe, expect, test } from "vitest";
import { stepsOf } from "../../src/product/waterfall";

const GUARDRAILS = new Set(["floor", "ceiling"]);

describe("the waterfall", () => {
  test("adds up in whole cents", () => {
    const amounts = [0.1, 0.2, -0.15];
    const steps = stepsOf(
      amounts.map((amount, index) => ({ rule: index ? "demand" : "base", amount, reason: "" })),
      0.15,
      GUARDRAILS,
    );
    expect(steps.map((step) => [step.from, step.to])).toEqual([
      [0, 0.1],
      [0.1, 0.3],
      [0.3, 0.15],
      [0, 0.15],
    ]);
    expect(steps.map((step) => step.kind)).toEqual(["base", "rule", "rule", "total"]);
  });

  test("tells guardrails from rules", () => {
    expect(
      stepsOf(
        [
          { rule: "base", amount: 1, reason: "" },
          { rule: "floor", amount: 1, reason: "" },
        ],
        2,
        GUARDRAILS,
      )[1]?.kind,
    ).toBe("guardrail");
  });
});
