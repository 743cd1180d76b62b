import { describe, expect, test } from "vitest";
import { freezeOf, scopeText } from "../../src/prices/freezes";

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
