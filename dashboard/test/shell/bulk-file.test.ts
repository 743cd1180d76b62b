import { describe, expect, test } from "vitest";
import { BULK_LINES_MAX, EXAMPLE, parseBulk as parse } from "../../src/shell/dialogs/bulk-file";
import { decodeText, toCsv } from "../../src/ui/csv";

const GBP = { currency: "GBP", digits: 2 };
const parseBulk = (text: string) => parse(text, GBP);
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
    ["A,cheap,,,", "override_price: “cheap” is not a number"],
    ["A,,ten,,", "change_percent: “ten” is not a number"],
    ['A,"1,299",,,', "override_price: “1,299” is not clear"],
    ["A,1,,,,extra", "“extra” is in a column without a name"],
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

describe("what spreadsheets write", () => {
  const good = [
    { product_id: "A", override_price: 1299.5 },
    { product_id: "B", change_percent: -10 },
  ];
  const changes = (text: string) => parseBulk(text).lines.map((line) => line.change ?? line.error);

  test("semicolons with decimal commas, and empty columns and lines at the end", () => {
    expect(
      changes("\uFEFFproduct_id;override_price;change_percent;;\r\nA;1.299,50;;;\r\nB;;-10;;\r\n;;;;\r\n"),
    ).toEqual(good);
    expect(changes("product_id,override_price,change_percent,,\nA,1299.5,,,\nB,,-10,,\n,,,,\n")).toEqual(good);
  });

  test("a line for the separator, tabs, and apostrophes in front of numbers", () => {
    expect(changes("sep=;\nproduct_id;override_price;change_percent\nA;'1299.5;\nB;;'-10")).toEqual(good);
    expect(changes("product_id\toverride_price\tchange_percent\nA\t1 299,50\t\nB\t\t-10 %")).toEqual(good);
  });

  test("a reason with commas among semicolons", () => {
    expect(changes("product_id;override_price;reason\nA;9,99;spring, sale, more")).toEqual([
      { product_id: "A", override_price: 9.99, reason: "spring, sale, more" },
    ]);
  });

  test("numbers of lines count empty ones and breaks in quotes, as an editor does", () => {
    const { lines } = parseBulk(`\n${HEAD}\n\nA,1,,"two\nlines",\n\r\nB,2,,,\n`);
    expect(lines.map((line) => line.line)).toEqual([4, 7]);
    expect(parseBulk(`sep=,\n${HEAD}\nA,1,,,`).lines[0]?.line).toBe(3);
  });

  test("Windows-1252 and UTF-16, as Excel saves them", () => {
    expect(decodeText(new Uint8Array([0x63, 0x61, 0x66, 0xe9]).buffer)).toBe("café");
    expect(decodeText(new TextEncoder().encode("café ✓").buffer as ArrayBuffer)).toBe("café ✓");
    expect(decodeText(new Uint8Array([0xff, 0xfe, 0x41, 0, 0xe9, 0]).buffer)).toBe("Aé");
  });
});

test("the example file can be read as it is saved", async () => {
  const { lines } = parseBulk(await toCsv(EXAMPLE).text());
  expect(lines.map((line) => line.error)).toEqual([null, null]);
  expect(lines.map((line) => line.change?.override_price ?? line.change?.change_percent)).toEqual([2.75, -10]);
});

test("what is exported cannot be a formula, and a number stays one", async () => {
  expect(await toCsv([{ reason: "=1+1" }]).text()).toContain("'=1+1");
  expect(await toCsv([{ reason: "-1+cmd" }]).text()).toContain("'-1+cmd");
  expect(await toCsv([{ change: "-10" }, { change: -2.5 }]).text()).toBe("change\r\n-10\r\n-2.5");
});
