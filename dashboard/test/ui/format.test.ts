import { describe, expect, test } from "vitest";
import { formatAge, formatCountdown } from "../../src/ui/format";

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
});
