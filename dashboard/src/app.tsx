/** The shell around every page: navigation, the banner, the live badge, dialogs, messages, keys. */

import {
  Activity,
  HelpCircle,
  LayoutList,
  Moon,
  Pause,
  Play,
  SlidersHorizontal,
  Snowflake,
  Sun,
  SunMoon,
} from "lucide-react";
import { Toast } from "radix-ui";
import { lazy, Suspense, useEffect } from "react";
import { tinykeys } from "tinykeys";
import { Link as A, Route, Switch, useLocation } from "wouter";
import { shortcut, withKey } from "./lib/keys";
import { Board } from "./pages/board";
import { Banner } from "./parts/banner";
import { close, open, opened } from "./parts/dialogs";
import { LinkBadge } from "./parts/link-badge";
import { announcement, dismiss, notices, notify, UNDO_MS } from "./state/notices";
import { density, nextTheme, theme } from "./state/preferences";
import { session } from "./state/session";
import { useSignal } from "./state/signal";
import { useKeyState, usePrices } from "./state/store";

const BulkDialog = lazy(async () => ({ default: (await import("./parts/bulk-dialog")).BulkDialog }));
const FreezeDialog = lazy(async () => ({ default: (await import("./parts/freeze-dialog")).FreezeDialog }));
const HelpDialog = lazy(async () => ({ default: (await import("./parts/help-dialog")).HelpDialog }));
const KeyDialog = lazy(async () => ({ default: (await import("./parts/key-dialog")).KeyDialog }));
const OverrideDialog = lazy(async () => ({ default: (await import("./parts/override-dialog")).OverrideDialog }));
const Product = lazy(() => import("./pages/product"));
const Interventions = lazy(() => import("./pages/interventions"));
const System = lazy(() => import("./pages/system"));

const PAGES = [
  { path: "/", name: "Board", icon: LayoutList, keys: "g b" },
  { path: "/interventions", name: "Interventions", icon: SlidersHorizontal, keys: "g i" },
  { path: "/system", name: "System", icon: Activity, keys: "g s" },
];

session.answerWith(
  () =>
    new Promise((resolve) => {
      const below = opened.value;
      const done = (given: boolean) => {
        opened.set(given ? below : null);
        resolve(given);
      };
      open({ kind: "key", done });
    }),
);

export function App() {
  useKeys();
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <TopBar />
      <Banner />
      <main id="main" tabIndex={-1}>
        <Suspense
          fallback={
            <p className="loading" role="status">
              Loading…
            </p>
          }
        >
          <Switch>
            <Route path="/" component={Board} />
            <Route path="/product/:id">{({ id }) => <Product key={id} id={decodeURIComponent(id)} />}</Route>
            <Route path="/interventions" component={Interventions} />
            <Route path="/system" component={System} />
            <Route>
              <div className="empty">
                <h1>There is no such page</h1>
                <A href="/">Back to the board</A>
              </div>
            </Route>
          </Switch>
        </Suspense>
      </main>
      <BottomBar />
      <Suspense>
        <Dialogs />
      </Suspense>
      <Messages />
    </>
  );
}

function TopBar() {
  const [location] = useLocation();
  return (
    <header className="top">
      <A href="/" className="brand" aria-label="Pricewax: board">
        <svg viewBox="0 0 16 16" width="22" height="22" aria-hidden="true">
          <rect width="16" height="16" rx="4" />
          <path d="M4 11l3-4 2 2 3-5" />
        </svg>
        Pricewax
      </A>
      <nav className="pages" aria-label="Pages">
        {PAGES.map(({ path, name }) => (
          <A key={path} href={path} aria-current={location === path ? "page" : undefined}>
            {name}
          </A>
        ))}
      </nav>
      <div className="spacer" />
      <LinkBadge />
      <PauseButton />
      <button
        type="button"
        className="button danger stop"
        onClick={() => void withKey(() => open({ kind: "freeze", scope: "all" }))}
      >
        <Snowflake size={15} aria-hidden="true" /> Stop
      </button>
      <ThemeButton />
      <KeyButton />
      <button
        type="button"
        className="icon wide-only"
        aria-label="Keyboard shortcuts"
        onClick={() => open({ kind: "help" })}
      >
        <HelpCircle size={18} aria-hidden="true" />
      </button>
    </header>
  );
}

function BottomBar() {
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

function PauseButton() {
  const prices = usePrices();
  const paused = useSignal(prices.link.state).kind === "paused";
  return (
    <button
      type="button"
      className="icon"
      aria-pressed={paused}
      aria-label={paused ? "Resume live updates" : "Pause live updates"}
      onClick={() => (paused ? prices.resume() : prices.pause())}
    >
      {paused ? <Play size={18} aria-hidden="true" /> : <Pause size={18} aria-hidden="true" />}
    </button>
  );
}

function ThemeButton() {
  const chosen = useSignal(theme);
  const Icon = { system: SunMoon, light: Sun, dark: Moon }[chosen];
  return (
    <button
      type="button"
      className="icon wide-only"
      aria-label={`Theme: ${chosen}`}
      onClick={() => theme.set(nextTheme())}
    >
      <Icon size={18} aria-hidden="true" />
    </button>
  );
}

function KeyButton() {
  const state = useKeyState();
  if (state === "given") {
    return (
      <button type="button" className="button quiet wide-only" onClick={() => session.forget()}>
        Lock
      </button>
    );
  }
  return (
    <button type="button" className="button quiet" onClick={() => void session.need()}>
      {state === "refused" ? "Key expired" : "Read-only"}
    </button>
  );
}

function Dialogs() {
  const dialog = useSignal(opened);
  if (!dialog) return null;
  switch (dialog.kind) {
    case "key":
      return <KeyDialog onDone={dialog.done} />;
    case "override":
      return <OverrideDialog ids={dialog.ids} onClose={close} />;
    case "bulk":
      return <BulkDialog onClose={close} />;
    case "freeze":
      return <FreezeDialog scope={dialog.scope} onClose={close} />;
    case "help":
      return <HelpDialog onClose={close} />;
  }
}

function Messages() {
  const shown = useSignal(notices);
  const said = useSignal(announcement);
  return (
    <Toast.Provider duration={UNDO_MS} swipeDirection="down">
      {shown.map((notice) => (
        <Toast.Root
          key={notice.id}
          className={`toast ${notice.kind}`}
          onOpenChange={(isOpen) => !isOpen && dismiss(notice.id)}
        >
          <Toast.Title>{notice.text}</Toast.Title>
          {notice.undo ? (
            <Toast.Action asChild altText="Undo the change">
              <button
                type="button"
                className="button"
                onClick={() => notice.undo?.().catch((problem) => notify((problem as Error).message, "error"))}
              >
                Undo
              </button>
            </Toast.Action>
          ) : null}
          <Toast.Close className="icon" aria-label="Dismiss">
            ×
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="toasts" />
      <div className="visually-hidden" aria-live="polite">
        {said}
      </div>
    </Toast.Provider>
  );
}

/** Keys of the whole application; a page adds its own. Not while somebody types, or a dialog is open. */
function useKeys() {
  const prices = usePrices();
  const [, go] = useLocation();
  useEffect(() => {
    return tinykeys(window, {
      "Shift+?": shortcut(() => open({ kind: "help" })),
      "?": shortcut(() => open({ kind: "help" })),
      "g b": shortcut(() => go("/")),
      "g i": shortcut(() => go("/interventions")),
      "g s": shortcut(() => go("/system")),
      t: shortcut(() => theme.set(nextTheme())),
      d: shortcut(() => density.set(density.value === "compact" ? "comfortable" : "compact")),
      p: shortcut(() => (prices.link.state.value.kind === "paused" ? prices.resume() : prices.pause())),
      f: shortcut(() => void withKey(() => open({ kind: "freeze", scope: "all" }))),
      u: shortcut(() => void withKey(() => open({ kind: "bulk" }))),
    });
  }, [prices, go]);
}
