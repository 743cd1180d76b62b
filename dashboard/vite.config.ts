import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  // Relative, for a reverse proxy with a path prefix; api/dashboard.py completes the addresses in the page.
  base: "./",
  build: {
    target: "es2022",
    sourcemap: false,
    chunkSizeWarningLimit: 500,
    // One chunk for the modules that pages share: by default, each small one is a request of its own.
    // csv and modal stay apart, as each loads a library.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [{ name: "shared", test: /\/src\/(api|prices|shell|ui)\/(?!csv|modal)[a-z-]+\.tsx?$/ }],
        },
      },
    },
  },
  // A zone with an offset of half an hour, in which a wrong zone shows.
  test: { include: ["test/**/*.test.ts"], env: { TZ: "Asia/Kolkata" } },
  // For work on the pages: `npx vite` beside a running `make demo`.
  server: {
    proxy: Object.fromEntries(
      ["board", "categories", "dead-letters", "freeze", "history", "override", "price", "products", "status"]
        .map((route) => [`^/${route}`, "http://127.0.0.1:8080"])
        // The market's routes, without the addresses of its pages.
        .concat([["^/market/(alerts|anomalies|bars|price|prices|rules|symbols)\\b", "http://127.0.0.1:8080"]])
        .concat([["/ws", "ws://127.0.0.1:8080"]]),
    ),
  },
});
