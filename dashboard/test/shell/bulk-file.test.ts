import { describe, expect, test } from "vitest";
import { BULK_LINES_MAX, parseBulk } from "../../src/shell/dialogs/bulk-file";
import { toCsv } from "../../src/ui/csv";

const HEAD = "product_id,override_price,change_percent,reason,expires_at";

test("each line is a change, as an editor counts lines", () => {
  const { lines, error } = parseBulk(`${HEAD}\nA,9.99,,"spring, sale",2030-01-01T00:00:00Z\n B , ,-10%,,\n`);
  expect(error).toBeNull();
  expect(lines).toEqual([
    {
      line: 2,
      change: {
        product_id: "A",
        override_price: 9.99,
        reason: "spring, sale",
        expires_at: "2030-01-01T00:00:00Z",
      },
      error: null,
    },
    { line: 3, change: { product_id: "B", change_percent: -10 }, error: null },
  ]);
});

test("columns may come in any order and case, with a byte order mark", () => {
  const { lines } = parseBulk("\uFEFFOverride_Price;Product_ID\n5;A");
  expect(lines[0]?.change).toEqual({ product_id: "A", override_price: 5 });
});

describe("errors by line", () => {
  test.each([
    ["A,,,,", "takes either"],
    ["A,1,2,,", "takes either"],
    [",1,,,", "product_id is missing"],
    ["A,cheap,,,", "override_price takes a number"],
    ["A,,ten,,", "change_percent takes a number"],
  ])("%s", (line, expected) => {
    const { lines } = parseBulk(`${HEAD}\n${line}\nZ,1,,,`);
    expect(lines[0]?.change).toBeNull();
    expect(lines[0]?.error).toContain(expected);
    expect(lines[1]?.error).toBeNull();
  });

  test("a product that comes twice", () => {
    const { lines } = parseBulk(`${HEAD}\nA,1,,,\nA,2,,,`);
    expect(lines.map((line) => line.error)).toEqual([null, "the product is in an earlier line already"]);
  });
});

describe("a file that is not one", () => {
  test.each([
    ["", "The first line takes the columns"],
    ["name,price\nA,1", "The first line takes the columns"],
    [`${HEAD},color\nA,1,,,,red`, "Unknown column: color"],
    [HEAD, "no line below"],
    [`product_id,override_price\n${"A,1\n".repeat(BULK_LINES_MAX + 1)}`, "At most"],
  ])("%#", (text, expected) => expect(parseBulk(text).error).toContain(expected));
});

test("what is exported cannot be a formula", async () => {
  expect(await toCsv([{ reason: "=1+1" }]).text()).toContain("'=1+1");
});
