import { expect, test } from "vitest";
import { expiryTime, NO_EXPIRY } from "../../src/shell/dialogs/expiry";

test("an expiry is a moment in the future, or none", () => {
  const now = new Date("2030-01-01T12:00:00Z");
  expect(expiryTime(NO_EXPIRY, now)).toBeNull();
  expect(expiryTime({ preset: "1h", at: "" }, now)).toBe("2030-01-01T13:00:00.000Z");
  expect(expiryTime({ preset: "at", at: "2031-01-01T00:00:00Z" }, now)).toBe("2031-01-01T00:00:00.000Z");
  expect(() => expiryTime({ preset: "at", at: "2029-01-01T00:00:00Z" }, now)).toThrow("future");
  expect(() => expiryTime({ preset: "at", at: "" }, now)).toThrow("Choose");
});
