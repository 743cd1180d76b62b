/** Text that people write, in any script. */

const ASCII = /^[\x20-\x7e]*$/;
const FORMAT_MARKS = /\p{Cf}/gu;

/** The form in which texts are compared in a search: without case, without marks that are not seen (soft hyphens,
 * joiners, marks of direction), and with one form for each letter (half-width and full-width ones are equal). */
export function searchable(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text.normalize("NFKC").replace(FORMAT_MARKS, "").toLowerCase();
}

/** The longest text of a field for a reason, in the units that browsers count. 200 characters in the form that the API
 * counts may have four times as many, for instance 200 emoji, or letters with their accents apart. The API refuses a
 * reason that is too long. */
export const REASON_UNITS_MAX = 800;
