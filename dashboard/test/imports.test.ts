/** Imports point one way, and the charts' library is loaded by the pages with a chart alone. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const SRC = resolve(import.meta.dirname, "../src");
const PAGES = ["board", "product", "interventions", "inventory", "sales", "what-if", "system", "market"];
/** The folders that each folder may import besides itself. app.tsx and main.tsx are in no folder: they import all. */
const MAY_IMPORT: Record<string, string[]> = {
  ui: [],
  api: [],
  live: ["api", "ui"],
  prices: ["api", "live", "ui"],
  shell: ["api", "live", "prices", "ui"],
  ...Object.fromEntries(PAGES.map((page) => [page, ["api", "live", "prices", "shell", "ui"]])),
};
const CHART = "lightweight-charts";

/** Imports and re-exports of values; those of types alone; and dynamic imports. */
const STATIC = /^(?:import|export)\s+(?!type\b)(?:[^"';]*?\bfrom\s*)?"([^"]+)"/gm;
const TYPES = /^(?:import|export)\s+type\b[^"';]*?\bfrom\s*"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
const source = (file: string) => readFileSync(join(SRC, file), "utf8");
const found = (file: string, ...patterns: RegExp[]) =>
  patterns.flatMap((pattern) => [...source(file).matchAll(pattern)].map((match) => match[1] ?? ""));
const folderOf = (file: string) => (file.includes("/") ? (file.split("/")[0] ?? "") : "");

/** The file that an import names, relative to src/; null if it is a package. */
function target(file: string, name: string): string | null {
  if (!name.startsWith(".")) return null;
  const path = resolve(SRC, dirname(file), name);
  const paths = extname(path) ? [path] : [`${path}.ts`, `${path}.tsx`];
  const existing = paths.find((each) => existsSync(each));
  if (!existing) throw new Error(`${file} imports ${name}, which is no file`);
  return relative(SRC, existing);
}

/** The packages that are loaded with a file: its own imports, and those of the files that it imports. */
function packagesOf(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file) || file.endsWith(".css")) return packages;
  seen.add(file);
  for (const name of found(file, STATIC)) {
    const path = target(file, name);
    if (path === null) packages.add(name);
    else for (const each of packagesOf(path, seen)) packages.add(each);
  }
  return packages;
}

test("every folder has its place in the order", () => {
  expect([...new Set(files.map(folderOf))].filter(Boolean).sort()).toEqual(Object.keys(MAY_IMPORT).sort());
});

describe("a folder imports only what is below it, and a page no other page", () => {
  test.each(Object.keys(MAY_IMPORT))("%s", (folder) => {
    const allowed = [folder, ...(MAY_IMPORT[folder] ?? [])];
    const wrong = files
      .filter((file) => folderOf(file) === folder)
      .flatMap((file) =>
        found(file, STATIC, TYPES, DYNAMIC).flatMap((name) => {
          const path = target(file, name);
          return path === null || allowed.includes(folderOf(path)) ? [] : [`${file} imports ${path}`];
        }),
      );
    expect(wrong).toEqual([]);
  });
});

describe("the chart's library", () => {
  test.each(["product/product.tsx", "market/symbol.tsx"])("is needed by %s", (file) => {
    expect(packagesOf(file)).toContain(CHART);
  });
  test.each([
    "main.tsx",
    "board/board.tsx",
    "interventions/interventions.tsx",
    "system/system.tsx",
    "market/market.tsx",
    "market/inbox.tsx",
  ])("is not loaded with %s", (file) => {
    const packages = packagesOf(file);
    expect(packages).toContain("react");
    expect(packages).not.toContain(CHART);
  });
  test("is not loaded with any part of the shell, its dialogs included", () => {
    const shell = files.filter((file) => folderOf(file) === "shell");
    expect(shell.filter((file) => packagesOf(file).has(CHART))).toEqual([]);
  });
});
