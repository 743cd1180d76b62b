import { describe, expect, test } from "vitest";
import type { Status } from "../src/api";
import { formatAge, formatCountdown } from "../src/lib/format";
import { problemsOf } from "../src/parts/banner";
import { expiryTime, NO_EXPIRY } from "../src/parts/expiry";
import { bySecond } from "../src/parts/price-chart";
import { stepsOf } from "../src/parts/waterfall";
import { restore } from "../src/state/interventions";
import { freezeOf, scopeText } from "../src/state/store";

describe("the waterfall", () => {
  test("adds up in whole cents", () => {
    const amounts = [0.1, 0.2, -0.15];
    const steps = stepsOf(
      amounts.map((amount, index) => ({ rule: index ? "demand" : "base", amount, reason: "" })),
      0.15,
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
      )[1]?.kind,
    ).toBe("guardrail");
  });
});

describe("times", () => {
  test.each([
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 m"],
    [3_600_000, "1 h"],
    [172_800_000, "2 d"],
    [-5, "0 s"],
  ])("an age of %d ms is %s", (ms, text) => expect(formatAge(ms)).toBe(text));

  test("a countdown has two units at most", () => {
    expect(formatCountdown(3_723_000, 0)).toBe("1 hour 2 minutes");
    expect(formatCountdown(5_000, 0)).toBe("5 seconds");
    expect(formatCountdown(0, 5)).toBe("ending");
  });

  test("an expiry is a moment in the future, or none", () => {
    const now = new Date("2030-01-01T12:00:00Z");
    expect(expiryTime(NO_EXPIRY, now)).toBeNull();
    expect(expiryTime({ preset: "1h", at: "" }, now)).toBe("2030-01-01T13:00:00.000Z");
    expect(expiryTime({ preset: "at", at: "2031-01-01T00:00:00Z" }, now)).toBe("2031-01-01T00:00:00.000Z");
    expect(() => expiryTime({ preset: "at", at: "2029-01-01T00:00:00Z" }, now)).toThrow("future");
    expect(() => expiryTime({ preset: "at", at: "" }, now)).toThrow("Choose");
  });
});

test("an override comes back as it was, unless its time has passed", () => {
  const override = {
    product_id: "A",
    override_price: 5,
    reason: "r",
    set_by: "admin",
    set_at: "",
    expires_at: null,
  };
  expect(restore(override)).toEqual({ product_id: "A", override_price: 5, reason: "r", expires_at: null });
  expect(restore({ ...override, expires_at: "2001-01-01T00:00:00Z" })).toBeNull();
});

describe("freezes", () => {
  const freeze = (scope: string) => ({ scope, reason: "r", set_by: "admin", set_at: "" });
  test("the narrowest holds a product", () => {
    const all = [freeze("all"), freeze("category:toys"), freeze("product:A")];
    expect(freezeOf(all, "A", "toys")?.scope).toBe("product:A");
    expect(freezeOf(all, "B", "toys")?.scope).toBe("category:toys");
    expect(freezeOf(all, "B", "other")?.scope).toBe("all");
    expect(freezeOf([], "B", "other")).toBeUndefined();
  });
  test("have names for people", () => {
    expect(scopeText("all")).toBe("all prices");
    expect(scopeText("category:a:b")).toBe("category “a:b”");
    expect(scopeText("product:A", () => "Mug")).toBe("Mug");
  });
});

describe("the banner", () => {
  const status = (down: string[]) =>
    ({
      dependencies: Object.fromEntries(
        ["redis", "kafka", "history", "flow"].map((name) => [name, down.includes(name) ? "down" : "up"]),
      ),
    }) as unknown as Status;
  test("is not there while all is well", () => {
    expect(problemsOf(status([]), 0)).toEqual([]);
    expect(problemsOf(undefined, 0)).toEqual([]);
  });
  test.each(["redis", "kafka", "history", "flow"])("says what still works without %s", (name) => {
    const [problem, ...others] = problemsOf(status([name]), 0);
    expect(others).toEqual([]);
    expect(problem).toMatch(/go on|is lost|last ones/);
  });
  test("says first of all that nobody answers", () => {
    expect(problemsOf(status(["kafka"]), 9_000)).toEqual([expect.stringContaining("has not answered for 9 s")]);
  });
});

test("a chart has one point a second, the last of it", () => {
  const points = [
    [1000, 1, 1, "dynamic", 1],
    [1900, 2, 2, "dynamic", 2],
    [2000, 3, 3, "dynamic", 3],
  ] as const;
  expect([...bySecond(points.map((point) => [...point])).values()].map((point) => point[1])).toEqual([2, 3]);
});
