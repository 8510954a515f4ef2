import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:8080";
const proxied = ["/api", "/bench/v1", "/external"];
const proxy = Object.fromEntries(proxied.map((path) => [path, { target: server }]));

/** What the cloud sends with the console; `vite preview` sends the same so that the tests notice a violation. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy, headers: { "Content-Security-Policy": contentSecurityPolicy } },
  build: {
    // A file inlined as a data: address would be refused by the policy.
    assetsInlineLimit: 0,
    // React, router, query cache and the components of the frame come as one file of about 200 kB compressed.
    chunkSizeWarningLimit: 700,
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
