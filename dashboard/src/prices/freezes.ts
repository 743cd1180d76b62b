/** Freezes: which one holds a product, and their scopes in words. */

import type { Freeze } from "../api/types";

/** The freeze that holds a product, the narrowest first. */
export function freezeOf(freezes: Freeze[], id: string, category: string): Freeze | undefined {
  const by = (scope: string) => freezes.find((freeze) => freeze.scope === scope);
  return by(`product:${id}`) ?? by(`category:${category}`) ?? by("all");
}

/** A scope (`all`, `category:NAME`, `product:ID`) in words. */
export function scopeText(scope: string, nameOf?: (id: string) => string | undefined): string {
  if (scope === "all") return "all prices";
  const [kind, ...rest] = scope.split(":");
  const name = rest.join(":");
  return kind === "category" ? `category “${name}”` : (nameOf?.(name) ?? name);
}
