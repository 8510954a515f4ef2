import { execFileSync } from "node:child_process";

import { defineConfig } from "@playwright/test";

// A free port, chosen once: workers read this file too and inherit the choice.
const ASK_FOR_FREE_PORT =
  "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })";
process.env.REHOME_PREVIEW_PORT ??= execFileSync(process.execPath, ["-e", ASK_FOR_FREE_PORT], { encoding: "utf8" }).trim();
const PREVIEW_PORT = process.env.REHOME_PREVIEW_PORT;

const browser = {
  executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results/runs",
  timeout: 30_000,
  fullyParallel: false,
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"]],
  use: {
    baseURL: `http://127.0.0.1:${PREVIEW_PORT}`,
    browserName: "chromium",
    launchOptions: browser,
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "desktop", grepInvert: /@touch/, use: { viewport: { width: 1280, height: 800 } } },
    { name: "phone", use: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } },
  ],
  // The pages with a made-up API come from the built console; the story starts its own server.
  webServer: {
    command: `npm run build && npx vite preview --strictPort --host 127.0.0.1 --port ${PREVIEW_PORT}`,
    url: `http://127.0.0.1:${PREVIEW_PORT}/`,
    reuseExistingServer: false,
    timeout: 120_000,
  },
});
