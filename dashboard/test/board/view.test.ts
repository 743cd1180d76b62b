import { describe, expect, test } from "vitest";
import { arrange, DEFAULT_VIEW, readView, type View, writeView } from "../../src/board/view";
import { changeOf, type Row } from "../../src/live/row";

const row = (id: string, more: Partial<Row> = {}): Row => ({
  id,
  name: `Product ${id}`,
  sortName: (more.name ?? `Product ${id}`).toLowerCase(),
  category: "toys",
  price: 10,
  demand: 1,
  source: "dynamic",
  version: 1,
  updatedAt: 1000,
  boundBy: null,
  dayOpen: 8,
  day: 1,
  moved: 0,
  movedAt: 0,
  spark: [1],
  sparkAt: 0,
  stamp: 1,
  ...more,
});
const rows = (...all: Row[]) => new Map(all.map((each) => [each.id, each]));
const view = (change: Partial<View>): View => ({ ...DEFAULT_VIEW, ...change });

describe("the address", () => {
  test("says nothing of what is usual", () => {
    expect(writeView(DEFAULT_VIEW)).toBe("");
    expect(readView("")).toEqual(DEFAULT_VIEW);
  });

  test("carries a whole view there and back", () => {
    const all = view({
      search: "red & blue",
      category: "cards and paper",
      source: "bounded",
      sort: "change",
      descending: false,
      columns: ["price", "age"],
      list: { name: "mine", ids: ["A", "B:1"] },
    });
    expect(readView(writeView(all))).toEqual(all);
  });

  test("with nonsense in it gives the usual view", () => {
    expect(readView("sort=bogus.desc&source=gold&cols=x")).toEqual(view({ columns: [] }));
  });
});

describe("the order", () => {
  test("is by the column, ties by id", () => {
    const found = rows(row("C", { price: 5 }), row("A", { price: 5 }), row("B", { price: 9 }));
    expect(arrange(found, view({ sort: "price", descending: true }))).toEqual(["B", "A", "C"]);
    expect(arrange(found, view({ sort: "price", descending: false }))).toEqual(["A", "C", "B"]);
  });

  test("puts what has no value at the end, whichever way", () => {
    const found = rows(row("A", { dayOpen: null }), row("B", { price: 4 }), row("C", { price: 16 }));
    expect(arrange(found, view({ sort: "change", descending: true }))).toEqual(["C", "B", "A"]);
    expect(arrange(found, view({ sort: "change", descending: false }))).toEqual(["B", "C", "A"]);
  });

  test("by age has the oldest first when descending", () => {
    const found = rows(row("new", { updatedAt: 9 }), row("old", { updatedAt: 1 }));
    expect(arrange(found, view({ sort: "age", descending: true }))).toEqual(["new", "old"].reverse());
  });
});

describe("filters", () => {
  const found = rows(
    row("A1", { name: "Red mug", category: "kitchen" }),
    row("B2", { name: "Red card", category: "paper", source: "override" }),
    row("C3", { name: "Blue mug", category: "kitchen", boundBy: "floor" }),
  );
  const ids = (change: Partial<View>) => arrange(found, view({ sort: "product", descending: false, ...change }));

  test.each([
    ["every word, in any order", { search: "MUG red" }, ["A1"]],
    ["an id", { search: "b2" }, ["B2"]],
    ["a category", { category: "kitchen" }, ["C3", "A1"]],
    ["a source", { source: "override" }, ["B2"]],
    ["what a guardrail bound", { source: "bounded" }, ["C3"]],
    ["a watchlist, without what nobody knows", { list: { name: "x", ids: ["B2", "gone"] } }, ["B2"]],
    ["nothing that fits", { search: "green" }, []],
  ] as const)("%s", (_, change, expected) => expect(ids(change as Partial<View>)).toEqual(expected));
});

test("the change is from the day's open, and unknown without one", () => {
  expect(changeOf(row("A", { price: 10, dayOpen: 8 }))).toBe(25);
  expect(changeOf(row("A", { dayOpen: null }))).toBeNull();
});

describe("search in many scripts", () => {
  const shop = rows(
    row("soft", { name: "Kaffee\u00adbohnen, geröstet" }),
    row("wide", { name: "ほうじ茶\u3000ティーバッグ" }),
    row("joined", { name: "می\u200cخواهم ۵۰۰\u00a0گرم" }),
    row("marked", { name: "\u200fקפה\u200e" }),
  );
  const find = (search: string) => arrange(shop, view({ search }));

  test("does not depend on forms, case and marks that are not seen", () => {
    expect(find("KAFFEEBOHNEN")).toEqual(["soft"]);
    expect(find("geröstet".normalize("NFD"))).toEqual(["soft"]);
    expect(find("ﾃｨｰﾊﾞｯｸﾞ\u3000ほうじ茶")).toEqual(["wide"]);
    expect(find("میخواهم\u00a0گرم")).toEqual(["joined"]);
    expect(find("קפה")).toEqual(["marked"]);
    expect(find("tee")).toEqual([]);
  });

  test("a category in an address is found in either form", () => {
    expect(readView(`category=${encodeURIComponent("Größe".normalize("NFD"))}`).category).toBe("Größe");
  });
});
