import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:7400";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // From its sources, so that a build or a test of the dashboard never sees an old build of the client.
  resolve: { alias: { "@baton/client": new URL("client/src/index.ts", import.meta.url).pathname } },
  build: {
    target: "es2023",
    // The server's content policy allows no inline script, and images only as files or data.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": server,
      "/socket.io": { target: server, ws: true },
    },
  },
  test: {
    include: ["client/test/**/*.test.ts", "test/**/*.test.{ts,tsx}"],
  },
});
