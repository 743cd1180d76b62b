import { describe, expect, test } from "vitest";
import { readPercent, readPrice } from "../../src/prices/amounts";
import { Money } from "../../src/prices/money";

describe("a price as typed", () => {
  test.each([
    ["12", 12],
    ["12.5", 12.5],
    ["12,50", 12.5],
    [" 0.99 ", 0.99],
    [",99", 0.99],
    ["5.", 5],
    ["1,299.00", 1299],
    ["1.299,00", 1299],
    ["1 299,5", 1299.5],
    ["1\u202f299,5", 1299.5],
    ["1'299.50", 1299.5],
    ["1,234,567", 1234567],
    ["1.234.567,89", 1234567.89],
    ["1299.00", 1299],
  ])("%s is %d", (text, value) => expect(readPrice(text, "GBP", 2)).toBe(value));

  test.each([
    ["1,299", "“1,299” is not clear: type either 1299.00 or 1.29"],
    ["1.299", "“1.299” is not clear: type either 1299.00 or 1.29"],
    ["12.3456", "too many decimals: GBP has 2 decimals"],
    ["0.999", "too many decimals"],
    ["1,2,3", "is not a number"],
    ["1,29,900.00", "is not a number"],
    ["1.2.3", "is not a number"],
    ["1e3", "is not a number"],
    ["0x10", "is not a number"],
    ["£5", "is not a number"],
    ["five", "is not a number"],
    [".", "is not a number"],
    ["Infinity", "is not a number"],
    ["0", "above 0"],
    ["-5", "above 0"],
  ])("%s is refused", (text, message) => expect(() => readPrice(text, "GBP", 2)).toThrow(message));

  test("a currency says how many decimals a price has", () => {
    expect(readPrice("1.299", "KWD", 3)).toBe(1.299);
    expect(() => readPrice("1,299", "KWD", 3)).toThrow("not clear");
    expect(readPrice("1299", "JPY", 0)).toBe(1299);
    expect(() => readPrice("1,299", "JPY", 0)).toThrow("as JPY has no decimals: type 1299");
    expect(() => readPrice("12.5", "JPY", 0)).toThrow("too many decimals");
  });

  test("an amount is shown with the decimals that the server says", () => {
    const shown = (currency: string, digits: number) => new Money(currency, digits).format(1234.5678);
    expect(shown("GBP", 2)).toContain("1,234.57");
    expect(shown("JPY", 0)).toMatch(/1,235$/);
    expect(shown("KWD", 3)).toContain("1,234.568");
    expect(shown("JPY", 2)).toContain("1,234.57");
  });
});

describe("a change in per cent as typed", () => {
  test.each([
    ["-10", -10],
    ["+5", 5],
    ["2,5", 2.5],
    ["12.25 %", 12.25],
    ["−10%", -10],
  ])("%s is %d", (text, value) => expect(readPercent(text)).toBe(value));
  test.each(["1,299", "1.299", "--5", "ten", "%"])("%s is refused", (text) =>
    expect(() => readPercent(text)).toThrow(),
  );
});
