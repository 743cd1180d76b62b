/** The choices of a person, kept in this browser: theme, density, time zone, watchlists, alerts that were read. */

import { Signal } from "../ui/signal";
import { timeZone, type Zone } from "../ui/zone";

export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";
export type Watchlists = Record<string, string[]>;

function stored<T>(name: string, fallback: T): Signal<T> {
  const key = `pricewax.${name}`;
  let value = fallback;
  try {
    value = JSON.parse(localStorage.getItem(key) ?? "null") ?? fallback;
  } catch {
    // A value that cannot be read is ignored.
  }
  const signal = new Signal(value);
  signal.subscribe(() => localStorage.setItem(key, JSON.stringify(signal.value)));
  return signal;
}

export const theme = stored<Theme>("theme", "system");
export const density = stored<Density>("density", "comfortable");
export const watchlists = stored<Watchlists>("watchlists", {});
/** The ids of the market's alerts that were read; at most as many as the inbox shows. */
export const readAlerts = stored<string[]>("read-alerts", []);

const zone = stored<Zone>("zone", "local");

/** Keep the page's attributes in step with the preferences. */
export function applyPreferences(): void {
  const root = document.documentElement;
  const apply = () => {
    root.dataset.theme = theme.value;
    root.dataset.density = density.value;
  };
  theme.subscribe(apply);
  density.subscribe(apply);
  apply();
  timeZone.set(zone.value === "utc" ? "utc" : "local");
  timeZone.subscribe(() => zone.set(timeZone.value));
}

export function switchZone(): void {
  timeZone.set(timeZone.value === "utc" ? "local" : "utc");
}

export function nextTheme(): Theme {
  const order: Theme[] = ["system", "light", "dark"];
  return order[(order.indexOf(theme.value) + 1) % order.length] ?? "system";
}
