/** The live link: one WebSocket. It subscribes to products by message, resumes by version, and reconnects by itself. */

import { Signal } from "../ui/signal";
import type { Frame, PriceUpdate, PriceWithdrawn } from "./messages";

export const BACK_OFF_S = [1, 2, 5, 10];
/** The API sends a pulse every second. A connection that is silent for this long is dead, even if it looks open. */
export const SILENT_AFTER_MS = 5_000;

export type LinkState =
  | { kind: "connecting" }
  | { kind: "live"; kafka: boolean }
  | { kind: "waiting"; attempt: number; retryAtMs: number }
  | { kind: "paused"; sinceMs: number };

export interface LinkEvents {
  /** The version that is known of a product, 0 for none. */
  version(productId: string): number;
  onUpdate(update: PriceUpdate): void;
  onWithdrawn(withdrawn: PriceWithdrawn): void;
  onProblem?(error: string): void;
}

export class Link {
  readonly state = new Signal<LinkState>({ kind: "connecting" });
  gaps = 0;
  reconnects = 0;
  private socket: WebSocket | null = null;
  private watched: string[] = [];
  private received = 0;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly events: LinkEvents,
  ) {}

  start(): void {
    this.connect();
  }

  /** From now on these products, and nothing else. */
  watch(productIds: string[]): void {
    this.watched = productIds;
    this.ask();
  }

  pause(): void {
    this.close();
    this.state.set({ kind: "paused", sinceMs: Date.now() });
  }

  resume(): void {
    this.attempt = 0;
    this.connect();
  }

  retryNow(): void {
    if (this.state.value.kind === "waiting") this.connect();
  }

  private connect(): void {
    this.close();
    this.state.set({ kind: "connecting" });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.received = 0;
    socket.onopen = () => {
      this.ask();
      this.listen();
    };
    socket.onmessage = (message) => this.receive(JSON.parse(message.data) as Frame);
    socket.onclose = () => this.lost(socket);
    // A socket that never opens is lost as well.
    this.listen();
  }

  private receive(frame: Frame): void {
    this.listen();
    if (frame.type === "pulse") {
      this.attempt = 0;
      const { state } = this;
      if (state.value.kind !== "live" || state.value.kafka !== frame.live)
        state.set({ kind: "live", kafka: frame.live });
      if (frame.frames !== this.received) {
        this.gaps += 1;
        this.received = frame.frames;
        this.ask();
      }
    } else if (frame.type === "price_update") {
      this.received += 1;
      this.events.onUpdate(frame);
    } else if (frame.type === "price_withdrawn") {
      this.received += 1;
      this.events.onWithdrawn(frame);
    } else {
      this.events.onProblem?.(frame.error);
    }
  }

  private ask(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const products = Object.fromEntries(this.watched.map((id) => [id, this.events.version(id)]));
    this.socket.send(JSON.stringify({ type: "subscribe", products }));
  }

  private listen(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket && this.lost(this.socket), SILENT_AFTER_MS);
  }

  private lost(socket: WebSocket): void {
    if (socket !== this.socket) return;
    this.close();
    this.reconnects += 1;
    const wait = (BACK_OFF_S[Math.min(this.attempt, BACK_OFF_S.length - 1)] ?? 10) * 1000;
    this.attempt += 1;
    this.state.set({ kind: "waiting", attempt: this.attempt, retryAtMs: Date.now() + wait });
    this.retry = setTimeout(() => this.connect(), wait);
  }

  private close(): void {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    const { socket } = this;
    this.socket = null;
    if (socket) {
      socket.onclose = socket.onmessage = socket.onopen = null;
      socket.close();
    }
  }
}
