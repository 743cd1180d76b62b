/** The facts that the server writes into the head of the page: where the API is, and the header for the admin key. */

const inBrowser = typeof document !== "undefined";

function fact(name: string): string | null {
  return inBrowser
    ? (document.querySelector(`meta[name="pricewax-${name}"]`)?.getAttribute("content") ?? null)
    : null;
}

/** The root of the API, with a slash at its end. A reverse proxy may have put it under a path prefix. */
export const ROOT = new URL(fact("root") ?? "/", inBrowser ? location.href : "http://localhost/");

/** The path prefix of this page's own addresses, without a slash at its end. */
export const PREFIX = ROOT.pathname.replace(/\/$/, "");

export const KEY_HEADER = fact("key-header") ?? "X-API-Key";

/** The address of a WebSocket; `path` is relative to the root. */
export function socketUrl(path: string): string {
  const url = new URL(path, ROOT);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
