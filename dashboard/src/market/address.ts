/** Addresses of the market's pages. */

/** The page of a symbol. The symbol is percent-encoded: it may hold a slash. */
export const addressOf = (symbol: string): string => `/market/symbol/${encodeURIComponent(symbol)}`;

/** The symbol in the rest of an address behind `/market/symbol/`. A proxy may have decoded it. */
export function symbolOf(rest: string): string {
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
}

const SYMBOL = /^[A-Za-z0-9_.:^=/-]{1,32}$/;

/** True if a text can be a symbol. The API refuses all others. */
export const isSymbol = (text: string): boolean => SYMBOL.test(text);
