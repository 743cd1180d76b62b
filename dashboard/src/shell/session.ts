/** The admin key: kept for this tab only (session storage). The address holds it only in a link that signs in, for
 * the moment in which the page reads it. */

import { ApiError, api } from "../api/client";
import { KEY_HEADER } from "../api/site";
import { Signal, useSignal } from "../ui/signal";

const STORED = "pricewax.key";

export type KeyState = "none" | "given" | "refused";

/** Asks for the key; answers true if there is one now. The key dialog sets it. */
export type Ask = () => Promise<boolean>;

class Session {
  readonly state = new Signal<KeyState>(read() ? "given" : "none");
  private asking: Ask = async () => false;

  keep(key: string): void {
    sessionStorage.setItem(STORED, key);
    this.state.set("given");
  }

  forget(): void {
    sessionStorage.removeItem(STORED);
    this.state.set("none");
  }

  /** The API has refused a request. Answers true if it refused the key, now or before. */
  refused(): boolean {
    if (read()) {
      sessionStorage.removeItem(STORED);
      this.state.set("refused");
    }
    return this.state.value === "refused";
  }

  answerWith(ask: Ask): void {
    this.asking = ask;
  }

  /** True once there is a key; false if the person did not give one. */
  async need(): Promise<boolean> {
    return read() !== null || (await this.asking());
  }
}

function read(): string | null {
  return typeof sessionStorage === "undefined" ? null : sessionStorage.getItem(STORED);
}

export const session = new Session();

export const useKeyState = () => useSignal(session.state);

/** Take the key out of a link that signs in, such as `/product/A#key=KEY`, and keep it. Browsers send the part after
 * `#` to no server; it is also removed from the address, and so from this tab's history. */
export function signInByLink(): void {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  session.keep(key);
}

/** From now on each request to the API carries the key, and an answer of 401 ends the session. */
export function sendKey(): void {
  api.use({
    onRequest: ({ request }) => {
      const key = read();
      if (key) request.headers.set(KEY_HEADER, key);
      return request;
    },
    onResponse: ({ response }) => {
      if (response.status === 401 && session.refused()) {
        throw new ApiError(
          401,
          "The API does not take your key any more, and refused this request. Give the key again.",
        );
      }
    },
  });
}

/** Do something that needs the admin key, once there is one. */
export async function withKey(act: () => void): Promise<void> {
  if (await session.need()) act();
}
