import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { applyPreferences } from "./state/preferences";
import { PriceStore } from "./state/prices";
import { Prices } from "./state/store";
import "./style.css";

applyPreferences();
const scheme = location.protocol === "https:" ? "wss" : "ws";
const prices = new PriceStore(`${scheme}://${location.host}/ws/prices?subscribe=1&conflate_ms=50`);
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
        <App />
      </Prices.Provider>
    </QueryClientProvider>
  </StrictMode>,
);
