/** The application: the frame around every page, and which address shows which page. */

import { lazy, Suspense } from "react";
import { Link as A, Route, Router, Switch } from "wouter";
import { PREFIX } from "./api/site";
import { Board } from "./board/board";
import { symbolOf } from "./market/address";
import { Banner } from "./shell/banner";
import { Dialogs } from "./shell/dialogs/dialogs";
import { useShellKeys } from "./shell/keys";
import { Messages } from "./shell/messages";
import { BottomBar } from "./shell/navigation";
import { TopBar } from "./shell/top-bar";
import { useSignal } from "./ui/signal";
import { timeZone } from "./ui/zone";

const Product = lazy(() => import("./product/product"));
const Interventions = lazy(() => import("./interventions/interventions"));
const Inventory = lazy(() => import("./inventory/inventory"));
const Sales = lazy(() => import("./sales/sales"));
const WhatIf = lazy(() => import("./what-if/what-if"));
const System = lazy(() => import("./system/system"));
const Market = lazy(() => import("./market/market"));
const SymbolPage = lazy(() => import("./market/symbol"));
const Inbox = lazy(() => import("./market/inbox"));

export function App() {
  return (
    <Router base={PREFIX}>
      <Frame />
    </Router>
  );
}

function Frame() {
  useShellKeys();
  // Times are drawn again in another zone.
  const zone = useSignal(timeZone);
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <TopBar />
      <Banner />
      <main id="main" tabIndex={-1} key={zone}>
        <Suspense
          fallback={
            <p className="loading" role="status">
              Loading…
            </p>
          }
        >
          <Pages />
        </Suspense>
      </main>
      <BottomBar />
      <Dialogs />
      <Messages />
    </>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/" component={Board} />
      <Route path="/product/:id">{({ id }) => <Product key={id} id={decodeURIComponent(id)} />}</Route>
      <Route path="/interventions" component={Interventions} />
      <Route path="/stock" component={Inventory} />
      <Route path="/earned" component={Sales} />
      <Route path="/what-if" component={WhatIf} />
      <Route path="/system" component={System} />
      <Route path="/market" component={Market} />
      <Route path="/market/inbox" component={Inbox} />
      <Route path="/market/symbol/*">
        {({ "*": rest = "" }) => <SymbolPage key={rest} symbol={symbolOf(rest)} />}
      </Route>
      <Route>
        <div className="empty">
          <h1>There is no such page</h1>
          <A href="/">Back to the board</A>
        </div>
      </Route>
    </Switch>
  );
}
