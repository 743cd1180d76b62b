/** The choices of a person, kept in this browser: theme, density, watchlists. */

import { Signal } from "../ui/signal";

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
}

export function nextTheme(): Theme {
  const order: Theme[] = ["system", "light", "dark"];
  return order[(order.indexOf(theme.value) + 1) % order.length] ?? "system";
}
