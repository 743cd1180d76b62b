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

export function toCsv(rows: Record<string, unknown>[]): Blob {
  // A leading =, +, - or @ would be a formula in a spreadsheet.
  return new Blob([Papa.unparse(rows, { escapeFormulae: true })], { type: "text/csv" });
}
