import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Time within which `rehome up` has to print its sign-in link, data folder and certificate made anew. */
const START_MAX_MS = 30_000;
const STOP_MAX_MS = 10_000;

const SIGN_IN_LINK = /http:\/\/\S+\/#sign-in=\S+/;

/** A `rehome up` of its own, on free ports, with a data folder that goes when it stops. */
export class RehomeServer {
  private constructor(
    private readonly process: ChildProcess,
    private readonly dataFolder: string,
    readonly signInLink: string,
  ) {}

  static async start(program: string): Promise<RehomeServer> {
    const dataFolder = await mkdtemp(join(tmpdir(), "rehome-e2e-"));
    const [plainPort, tlsPort] = await freePorts();
    const words = [
      "up",
      ...["--data-dir", dataFolder],
      ...["--listen", `127.0.0.1:${plainPort}`],
      ...["--listen-tls", `127.0.0.1:${tlsPort}`],
    ];
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    try {
      return new RehomeServer(child, dataFolder, await readSignInLink(child));
    } catch (error) {
      child.kill("SIGKILL");
      await rm(dataFolder, { recursive: true, force: true });
      throw error;
    }
  }

  async stop() {
    if (this.process.exitCode === null) {
      const hasEnded = new Promise<void>((resolve) => this.process.once("exit", () => resolve()));
      this.process.kill("SIGTERM");
      const killTimer = setTimeout(() => this.process.kill("SIGKILL"), STOP_MAX_MS);
      await hasEnded;
      clearTimeout(killTimer);
    }
    await rm(this.dataFolder, { recursive: true, force: true });
  }
}

function readSignInLink(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why: string) => reject(new Error(`${why}; it printed:\n${output}`));
    const timer = setTimeout(() => fail("no sign-in link in time"), START_MAX_MS);
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const link = SIGN_IN_LINK.exec(output)?.[0];
      if (link === undefined) return;
      clearTimeout(timer);
      resolve(link);
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`the server ended with code ${code}`));
  });
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}
