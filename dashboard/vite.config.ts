import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
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
  test: { include: ["test/**/*.test.ts"] },
  // For work on the pages: `npx vite` beside a running `make demo`.
  server: {
    proxy: Object.fromEntries(
      ["board", "categories", "dead-letters", "freeze", "history", "override", "price", "products", "status"]
        .map((route) => [`^/${route}`, "http://127.0.0.1:8080"])
        .concat([["/ws", "ws://127.0.0.1:8080"]]),
    ),
  },
});
