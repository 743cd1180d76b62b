import { expect, test } from "vitest";
import { restore } from "../../src/shell/changes";

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
