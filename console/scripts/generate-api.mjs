// Writes the typed API descriptions that the console's clients are built on.
// With `--check` it writes nothing and fails when they are stale.
// Source documents: the OpenAPI files that the cloud and the bench commit next to their code.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const consoleFolder = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
const generator = join(dirname(require.resolve("openapi-typescript/package.json")), "bin", "cli.js");

const documents = [
  [process.env.CLOUD_OPENAPI ?? "../crates/api-types/openapi.json", "src/api/cloud.d.ts"],
  [process.env.BENCH_OPENAPI ?? "../crates/bench/openapi.json", "src/api/bench.d.ts"],
];

const mode = process.argv.includes("--check") ? ["--check"] : [];

for (const [source, target] of documents) {
  execFileSync(process.execPath, [generator, source, "--output", target, "--root-types=false", ...mode], {
    cwd: consoleFolder,
    stdio: "inherit",
  });
}
