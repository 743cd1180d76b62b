import { describe, expect, test } from "vitest";
import type { Status } from "../../src/api/types";
import { problemsOf } from "../../src/shell/problems";

describe("the banner", () => {
  const status = (down: string[], alerts: string[] = []) =>
    ({
      alerts: alerts.map((text) => ({ code: "any", subject: "", text })),
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
  test("shows the alerts of a system whose services all answer", () => {
    expect(problemsOf(status([], ["Redis forgets."]), 0)).toEqual(["Redis forgets."]);
  });
  test("says first of all that nobody answers", () => {
    expect(problemsOf(status(["kafka"]), 9_000)).toEqual([expect.stringContaining("has not answered for 9 s")]);
  });
});
