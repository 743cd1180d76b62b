/** Files that a person saves. */

import Papa from "papaparse";

/** Save text or an image as a file. */
export function download(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A text that a spreadsheet would take for a formula: it begins with =, +, - or @, and is not a number. */
const FORMULA = /^(?![+-]?[\d.,]+%?$)[=+\-@\t\r]/;

/** In front of a formula, an apostrophe makes it a text. */
export function toCsv(rows: Record<string, unknown>[]): Blob {
  return new Blob([Papa.unparse(rows, { escapeFormulae: FORMULA })], { type: "text/csv" });
}

/** The text of a cell without the apostrophe that `toCsv` and spreadsheets put in front of formulas and numbers. */
export const fromCell = (cell: string): string => cell.trim().replace(/^'(?=[=+\-@\d])/, "");

/** The text of a file: UTF-8 or UTF-16 with a byte order mark, and otherwise, if it is not UTF-8, Windows-1252, in which
 * Excel saves a CSV by default. */
export function decodeText(bytes: ArrayBuffer): string {
  const [first, second] = new Uint8Array(bytes.slice(0, 2));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
