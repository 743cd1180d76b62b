/** A live link: one WebSocket. It subscribes to keys (products or symbols) by message, resumes by version, and reconnects
 * by itself. */

import { Signal } from "../ui/signal";
import type { LinkError, Pulse } from "./messages";

export const BACK_OFF_S = [1, 2, 5, 10];
/** The API sends a pulse every second. A connection that is silent for this long is dead, even if it looks open. */
export const SILENT_AFTER_MS = 5_000;

export type LinkState =
  | { kind: "connecting" }
  | { kind: "live"; kafka: boolean }
  | { kind: "waiting"; attempt: number; retryAtMs: number }
  | { kind: "paused"; sinceMs: number };

export interface LinkEvents<Message> {
  /** The version that is known of a key, 0 for none. */
  version(key: string): number;
  onMessage(message: Message): void;
  /** Messages may have been missed: the connection is a new one, or there was a gap. */
  onMissed?(): void;
  onProblem?(error: string): void;
}

/** `Message` is the type of the messages about keys: those that a pulse counts. */
export class Link<Message extends { type: string }> {
  readonly state = new Signal<LinkState>({ kind: "connecting" });
  gaps = 0;
  reconnects = 0;
  private socket: WebSocket | null = null;
  private watched: string[] = [];
  private opened = 0;
  private received = 0;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    /** The field of a `subscribe` message that names the keys. */
    private readonly field: "products" | "symbols",
    private readonly events: LinkEvents<Message>,
  ) {}

  start(): void {
    this.connect();
  }

  /** From now on these keys, and nothing else. */
  watch(keys: string[]): void {
    this.watched = keys;
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
      if (this.opened++ > 0) this.events.onMissed?.();
      this.ask();
      this.listen();
    };
    socket.onmessage = (message) => this.receive(JSON.parse(message.data) as Message | Pulse | LinkError);
    socket.onclose = () => this.lost(socket);
    // A socket that never opens is lost as well.
    this.listen();
  }

  private receive(frame: Message | Pulse | LinkError): void {
    this.listen();
    if (frame.type === "pulse") {
      this.count(frame as Pulse);
    } else if (frame.type === "error") {
      this.events.onProblem?.((frame as LinkError).error);
    } else {
      this.received += 1;
      this.events.onMessage(frame as Message);
    }
  }

  private count({ live, frames }: Pulse): void {
    this.attempt = 0;
    const { state } = this;
    if (state.value.kind !== "live" || state.value.kafka !== live) state.set({ kind: "live", kafka: live });
    if (frames !== this.received) {
      this.gaps += 1;
      this.received = frames;
      this.events.onMissed?.();
      this.ask();
    }
  }

  private ask(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const versions = Object.fromEntries(this.watched.map((key) => [key, this.events.version(key)]));
    this.socket.send(JSON.stringify({ type: "subscribe", [this.field]: versions }));
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
