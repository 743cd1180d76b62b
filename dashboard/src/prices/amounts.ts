/** Amounts as people type them or spreadsheets write them. One parser for the price field and the CSV. */

/** A comma or point may be a decimal sign or part of the thousands, so `1,299` is refused, where a guess would set a
 * price that is wrong by a factor of a thousand. `digits` are the decimals of the currency: 2 for GBP, 0 for JPY, 3 for
 * KWD. Raises an Error with a sentence for the person. */
export function readPrice(text: string, currency: string, digits: number): number {
  const value = readNumber(text, digits, `${currency} has ${decimals(digits)}`);
  if (value <= 0) throw new Error("a price is above 0");
  return value;
}

/** A change in per cent, such as `-10`, `+2,5` or `12.5 %`. Raises an Error. */
export function readPercent(text: string): number {
  return readNumber(text.trim().replace(/\s*%$/, ""), 2, "a change has at most 2 decimals");
}

const decimals = (digits: number) => (digits === 0 ? "no decimals" : `${digits} decimals`);

/** Spaces of all kinds, and apostrophes: between the thousands in some languages. */
const GROUPS = /(?<=\d)[\s'’](?=\d{3}(?!\d))/g;

function readNumber(text: string, digits: number, limit: string): number {
  const plain = text.trim().replace(GROUPS, "").replace(/^−/, "-");
  const found = /^([+-]?)([\d.,]+)$/.exec(plain);
  if (!found || !/\d/.test(plain)) throw new Error(`“${text.trim()}” is not a number`);
  const [, sign, body = ""] = found;
  const marks = body.match(/[.,]/g) ?? [];
  const decimal = decimalMark(body, marks, digits, limit);
  const whole = decimal === null ? body : body.slice(0, body.lastIndexOf(decimal));
  const fraction = decimal === null ? "" : body.slice(body.lastIndexOf(decimal) + 1);
  if (fraction.length > digits) throw new Error(`“${text.trim()}” has too many decimals: ${limit}`);
  return Number(`${sign}${whole.replace(/[.,]/g, "") || "0"}.${fraction || "0"}`);
}

/** The mark before the decimals, null for none. Raises an Error where it is not clear. */
function decimalMark(body: string, marks: string[], digits: number, limit: string): string | null {
  const last = marks.at(-1);
  if (last === undefined) return null;
  const grouped = (part: string, mark: string) =>
    new RegExp(`^\\d{1,3}(\\${mark}\\d{3})+$`).test(part) && !part.startsWith("0");
  const [before, after] = [body.slice(0, body.lastIndexOf(last)), body.slice(body.lastIndexOf(last) + 1)];
  const others = marks.slice(0, -1);
  if (others.length === 0) {
    // `1,299` and `1.299`: only a point, in a currency with three decimals, is a decimal sign for sure.
    const clear = after.length !== 3 || /^0*$/.test(before) || (last === "." && digits === 3);
    if (!clear) throw new Error(unclear(body, before, after, digits, limit));
    return last;
  }
  if (others.every((mark) => mark === last) && grouped(body, last)) return null;
  const other = others[0] ?? "";
  if (other !== last && others.every((mark) => mark === other) && grouped(before, other)) return last;
  throw new Error(`“${body}” is not a number`);
}

function unclear(body: string, before: string, after: string, digits: number, limit: string): string {
  const whole = `${before}${after}`;
  if (digits === 0) return `“${body}” is not clear, as ${limit}: type ${whole} if that is meant`;
  return `“${body}” is not clear: type either ${whole}.00 or ${before}.${after.slice(0, Math.min(digits, 2))}`;
}
