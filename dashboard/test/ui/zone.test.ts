import { afterEach, describe, expect, test } from "vitest";
import { expiryTime } from "../../src/shell/dialogs/expiry";
import { tickText } from "../../src/ui/chart-ticks";
import { formatClock, formatTime } from "../../src/ui/format";
import { endOfDay, momentText, readMoment, timeZone, zoneName } from "../../src/ui/zone";

/** 23:30 on 5 December in UTC: half past midnight on the 6th in Berlin. */
const LATE = Date.parse("2011-12-05T23:30:00Z");
const MIDNIGHT = Date.parse("2011-12-06T00:00:00Z");

afterEach(() => timeZone.set("local"));

describe("all times are in the chosen zone", () => {
  test("texts, and the chart's axis", () => {
    timeZone.set("utc");
    expect(zoneName()).toBe("UTC");
    expect(formatClock(LATE)).toContain("30:00");
    expect(formatTime(LATE)).toMatch(/5/);
    expect(tickText(LATE, "second")).toBe(formatClock(LATE));
    expect(tickText(MIDNIGHT, "day")).toMatch(/^(6 Dec|Dec 6)$/);
    timeZone.set("local");
    // Some versions of the data of zones have its older name.
    expect(zoneName()).toMatch(/^Asia\/(Kolkata|Calcutta)$/);
    expect(formatTime(LATE)).toMatch(/6/);
    expect(formatTime(LATE)).toMatch(/5:00:00/);
    expect(tickText(LATE, "second")).toBe(formatClock(LATE));
    // Midnight UTC is no midnight there, so the tick of the day has its time.
    expect(tickText(MIDNIGHT, "day")).toMatch(/6.*5:30/);
  });

  test("the end of an override", () => {
    const at = { preset: "at", at: "2030-01-01T12:00" };
    const now = new Date(LATE);
    expect(expiryTime(at, now)).toBe("2030-01-01T06:30:00.000Z");
    expect(expiryTime({ preset: "day", at: "" }, now)).toBe("2011-12-06T18:29:59.999Z");
    expect(momentText(now)).toBe("2011-12-06T05:00");
    timeZone.set("utc");
    expect(expiryTime(at, now)).toBe("2030-01-01T12:00:00.000Z");
    expect(expiryTime({ preset: "day", at: "" }, now)).toBe("2011-12-05T23:59:59.999Z");
    expect(momentText(now)).toBe("2011-12-05T23:30");
    expect(endOfDay(now).toISOString()).toBe("2011-12-05T23:59:59.999Z");
    expect(readMoment("soon")).toBeNull();
  });
});
