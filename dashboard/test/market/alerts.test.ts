import { describe, expect, test } from "vitest";
import { unreadOf, withRead } from "../../src/market/alerts/read";
import { fieldOf, NEW_RULE, readRule, withKind } from "../../src/market/alerts/rule-draft";
import { ruleText } from "../../src/market/alerts/rule-text";
import type { Alert } from "../../src/market/types";

const alert = (id: string) => ({ id }) as Alert;

describe("alerts that were read", () => {
  test("are no longer unread", () => {
    const alerts = [alert("c"), alert("b"), alert("a")];
    const read = withRead([], [alert("b")]);
    expect(unreadOf(alerts, read).map((each) => each.id)).toEqual(["c", "a"]);
    expect(unreadOf(alerts, withRead(read, alerts))).toEqual([]);
  });

  test("are a bounded list, the newest first", () => {
    let read: string[] = [];
    for (let id = 0; id < 1_500; id += 1) read = withRead(read, [alert(`${id}`)]);
    expect(read).toHaveLength(1_000);
    expect(read[0]).toBe("1499");
    expect(withRead(read, [alert("1499")])).toHaveLength(1_000);
  });
});

describe("a new rule", () => {
  const draft = { ...NEW_RULE, symbol: " BTC/USD ", threshold: "0.00001234" };

  test("has the parts of its kind only", () => {
    const rule = { symbol: "BTC/USD", kind: "above", threshold: 0.00001234, window_s: null, webhook: null };
    expect(readRule(draft)).toEqual({ rule });
    expect(readRule({ ...draft, kind: "anomaly", threshold: "x", windowS: "x" })).toEqual({
      rule: { ...rule, kind: "anomaly", threshold: null },
    });
    expect(readRule({ ...draft, kind: "move_percent", threshold: "2.5", webhook: "https://a.b/c" })).toEqual({
      rule: { ...rule, kind: "move_percent", threshold: 2.5, window_s: 60, webhook: "https://a.b/c" },
    });
  });

  test.each([
    ["symbol", { symbol: "BTC USD" }],
    ["threshold", { threshold: "" }],
    ["threshold", { threshold: "0" }],
    ["threshold", { threshold: "1,5" }],
    ["threshold", { threshold: "-1" }],
    ["window_s", { kind: "move_percent", windowS: "0" }],
    ["window_s", { kind: "move_percent", windowS: "1.5" }],
    ["webhook", { webhook: "ftp://a.b" }],
  ] as const)("says what is wrong with %s: %o", (field, change) => {
    const found = readRule({ ...draft, ...change });
    expect("errors" in found && Object.keys(found.errors)).toEqual([field]);
  });

  test("takes no price for a percentage", () => {
    const priced = { ...draft, threshold: "62000" };
    expect(withKind(priced, "below").threshold).toBe("62000");
    expect(withKind(priced, "move_percent").threshold).toBe("");
  });

  test("shows the API's refusal at its field", () => {
    expect(fieldOf("threshold takes a number above 0, at most 9999999999")).toBe("threshold");
    expect(fieldOf("webhook takes no URL here, because WEBHOOK_SECRET is not set")).toBe("webhook");
    expect(fieldOf("there are 10000 rules already")).toBeNull();
  });

  test("is shown in words", () => {
    const rule = { symbol: "A", threshold: 61000, window_s: 60, webhook: null };
    expect(ruleText({ ...rule, kind: "above" })).toBe("above 61,000.00");
    expect(ruleText({ ...rule, kind: "move_percent", threshold: 2.5 })).toBe(
      "moves by more than 2.5 % within 60 s",
    );
    expect(ruleText({ ...rule, kind: "anomaly" })).toBe("anomaly");
  });
});
