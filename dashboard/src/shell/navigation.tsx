/** The ways to the pages: two tabs, the shop and the market, with the pages of the tab that is open. At the top, and at
 * the bottom of a phone. */

import {
  Activity,
  Bell,
  Boxes,
  CandlestickChart,
  FlaskConical,
  LayoutList,
  type LucideIcon,
  ReceiptText,
  SlidersHorizontal,
  Store,
} from "lucide-react";
import { Link as A, useLocation } from "wouter";
import { useSignal } from "../ui/signal";
import { unreadAlerts } from "./unread";

interface Page {
  path: string;
  name: string;
  icon: LucideIcon;
}

const SHOP: Page[] = [
  { path: "/", name: "Board", icon: LayoutList },
  { path: "/interventions", name: "Interventions", icon: SlidersHorizontal },
  { path: "/stock", name: "Inventory", icon: Boxes },
  { path: "/earned", name: "Sales", icon: ReceiptText },
  { path: "/what-if", name: "What if", icon: FlaskConical },
  { path: "/system", name: "System", icon: Activity },
];
const ALERTS = "/market/inbox";
const MARKET: Page[] = [
  { path: "/market", name: "Symbols", icon: CandlestickChart },
  { path: ALERTS, name: "Alerts", icon: Bell },
];

/** True if an address belongs to the market. */
const inMarket = (location: string) => location === "/market" || location.startsWith("/market/");

export function PageLinks() {
  const [location] = useLocation();
  const market = inMarket(location);
  return (
    <>
      <nav className="sides" aria-label="Shop or market">
        <A href="/" aria-current={market ? undefined : "true"}>
          Shop
        </A>
        <A href="/market" aria-current={market ? "true" : undefined}>
          Market
        </A>
      </nav>
      <nav className="pages" aria-label="Pages">
        {(market ? MARKET : SHOP).map(({ path, name }) => (
          <A key={path} href={path} aria-current={location === path ? "page" : undefined}>
            {name}
            {path === ALERTS ? <Unread /> : null}
          </A>
        ))}
      </nav>
    </>
  );
}

export function BottomBar() {
  const [location] = useLocation();
  const pages = inMarket(location)
    ? [...MARKET, { path: "/", name: "Shop", icon: Store }]
    : [...SHOP, { path: "/market", name: "Market", icon: CandlestickChart }];
  return (
    <nav className="bottom" aria-label="Pages of the phone layout">
      {pages.map(({ path, name, icon: Icon }) => (
        <A key={path} href={path} aria-current={location === path ? "page" : undefined}>
          <Icon size={20} aria-hidden="true" />
          <span>
            {name}
            {path === ALERTS ? <Unread /> : null}
          </span>
        </A>
      ))}
    </nav>
  );
}

function Unread() {
  const count = useSignal(unreadAlerts);
  if (count === 0) return null;
  return (
    <span className="unread-count">
      {" "}
      {count > 99 ? "99+" : count}
      <span className="visually-hidden"> unread</span>
    </span>
  );
}
