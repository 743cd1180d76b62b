/** Moments to the microsecond. JavaScript's own moments are milliseconds. */

/** UTC microseconds of an RFC 3339 text in UTC. */
export function microsOf(text: string): number {
  const [, whole = "", fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
  return Date.parse(`${whole}Z`) * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}

/** The RFC 3339 text of UTC microseconds. */
export function momentOf(us: number): string {
  const whole = new Date(Math.floor(us / 1_000_000) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(((us % 1_000_000) + 1_000_000) % 1_000_000).padStart(6, "0")}Z`;
}
