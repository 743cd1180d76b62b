/** Prices and volumes of the market as text. They may be tiny or huge, and have up to 8 decimals. */

const DECIMALS_MAX = 8;
const SIGNIFICANT = 5;
/** A price shows at most this many decimals more than its size asks for. */
const EXTRA = 2;

/** The decimals that give a price of this size five significant digits, from 2 to 8. */
export function decimalsOf(price: number): number {
  const size = Math.abs(price);
  if (size === 0 || !Number.isFinite(size)) return 2;
  return Math.min(DECIMALS_MAX, Math.max(2, SIGNIFICANT - 1 - Math.floor(Math.log10(size))));
}

const formats = new Map<string, Intl.NumberFormat>();

function decimalFormat(least: number, most: number): Intl.NumberFormat {
  const key = `${least} ${most}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(undefined, { minimumFractionDigits: least, maximumFractionDigits: most });
    formats.set(key, format);
  }
  return format;
}

/** A price with the digits that its size asks for, and up to two more if it has them. */
export function formatPrice(price: number): string {
  const least = decimalsOf(price);
  return decimalFormat(least, Math.min(DECIMALS_MAX, least + EXTRA)).format(price);
}

/** Prices of a chart's axis: all with the same number of decimals. */
export function formatAxis(decimals: number): (price: number) => string {
  return (price) => decimalFormat(decimals, decimals).format(price);
}

const small = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 5 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 4 });

/** A volume in few digits: `0.025`, `1,234.5`, `1.234M`. */
export function formatVolume(volume: number): string {
  return (Math.abs(volume) < 10_000 ? small : compact).format(volume);
}
