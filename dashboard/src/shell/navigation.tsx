/** The ways to the pages: links at the top, and a bar at the bottom of a phone. */

import { Activity, LayoutList, SlidersHorizontal } from "lucide-react";
import { Link as A, useLocation } from "wouter";

const PAGES = [
  { path: "/", name: "Board", icon: LayoutList },
  { path: "/interventions", name: "Interventions", icon: SlidersHorizontal },
  { path: "/system", name: "System", icon: Activity },
];

export function PageLinks() {
  const [location] = useLocation();
  return (
    <nav className="pages" aria-label="Pages">
      {PAGES.map(({ path, name }) => (
        <A key={path} href={path} aria-current={location === path ? "page" : undefined}>
          {name}
        </A>
      ))}
    </nav>
  );
}

export function BottomBar() {
  const [location] = useLocation();
  return (
    <nav className="bottom" aria-label="Pages of the phone layout">
      {PAGES.map(({ path, name, icon: Icon }) => (
        <A key={path} href={path} aria-current={location === path ? "page" : undefined}>
          <Icon size={20} aria-hidden="true" />
          {name}
        </A>
      ))}
    </nav>
  );
}
