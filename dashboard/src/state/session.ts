/** The admin key: kept for this tab only (session storage), never in the address. */

import { Signal } from "./signal";

const STORED = "pricewax.key";

export type KeyState = "none" | "given" | "refused";

/** Asks for the key; answers whether there is one now. The key dialog sets it. */
export type Ask = () => Promise<boolean>;

class Session {
  readonly header = "X-API-Key";
  readonly state = new Signal<KeyState>(read() ? "given" : "none");
  private asking: Ask = async () => false;

  get key(): string | null {
    return read();
  }

  keep(key: string): void {
    sessionStorage.setItem(STORED, key);
    this.state.set("given");
  }

  forget(): void {
    sessionStorage.removeItem(STORED);
    this.state.set("none");
  }

  /** The API does not take the key (any more). Answers whether there was one. */
  refused(): boolean {
    if (!read()) return false;
    sessionStorage.removeItem(STORED);
    this.state.set("refused");
    return true;
  }

  answerWith(ask: Ask): void {
    this.asking = ask;
  }

  /** True once there is a key; false where the person would not give one. */
  async need(): Promise<boolean> {
    return read() !== null || (await this.asking());
  }
}

function read(): string | null {
  return typeof sessionStorage === "undefined" ? null : sessionStorage.getItem(STORED);
}

export const session = new Session();
