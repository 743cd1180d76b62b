import { describe, expect, test } from "vitest";
import { stepsOf } from "../../src/product/waterfall";

const GUARDRAILS = new Set(["floor", "ceiling"]);

describe("the waterfall", () => {
  test("adds up in whole minor units", () => {
    const amounts = [0.1, 0.2, -0.15];
    const steps = stepsOf(
      amounts.map((amount, index) => ({ rule: index ? "demand" : "base", amount, reason: "" })),
      0.15,
      GUARDRAILS,
      100,
    );
    expect(steps.map((step) => [step.from, step.to])).toEqual([
      [0, 0.1],
      [0.1, 0.3],
      [0.3, 0.15],
      [0, 0.15],
    ]);
    expect(steps.map((step) => step.kind)).toEqual(["base", "rule", "rule", "total"]);
  });

  test("keeps the decimals of a currency with three, and has none without", () => {
    const totals = (amounts: number[], scale: number) =>
      stepsOf(
        amounts.map((amount) => ({ rule: "base", amount, reason: "" })),
        0,
        GUARDRAILS,
        scale,
      ).map((step) => step.to);
    expect(totals([1.001, 0.002], 1000)).toEqual([1.001, 1.003, 0]);
    expect(totals([100, 11], 1)).toEqual([100, 111, 0]);
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
        100,
      )[1]?.kind,
    ).toBe("guardrail");
  });
});
