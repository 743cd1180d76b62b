/** The start of the page: style sheets, the price store with its live link, and the React tree. */

import "./ui/theme.css";
import "./ui/base.css";
import "./ui/controls.css";
import "./ui/ui.css";
import "./shell/shell.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { socketUrl } from "./api/site";
import { App } from "./app";
import { PriceStore } from "./live/price-store";
import { PolicyProvider } from "./prices/policy";
import { Prices } from "./prices/store";
import { askForKey } from "./shell/dialogs/opened";
import { applyPreferences } from "./shell/preferences";
import { sendKey, session, signInByLink } from "./shell/session";

applyPreferences();
signInByLink();
// A link that signs in, opened in a tab that shows the dashboard already, loads no page.
window.addEventListener("hashchange", signInByLink);
sendKey();
session.answerWith(askForKey);
const prices = new PriceStore(socketUrl("ws/prices?subscribe=1&conflate_ms=50"));
prices.start();
// For measuring, and for a look from the browser's console.
Object.assign(window, { pricewax: prices });

const queries = new QueryClient({
  defaultOptions: { queries: { retry: 1, refetchOnWindowFocus: true, staleTime: 1_000 } },
});

const root = document.getElementById("root");
if (!root) throw new Error("the page has no root element");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <Prices.Provider value={prices}>
        <PolicyProvider>
          <App />
        </PolicyProvider>
      </Prices.Provider>
    </QueryClientProvider>
  </StrictMode>,
);
