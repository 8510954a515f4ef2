import type { Page, Route } from "@playwright/test";

import type { Place, ShipmentState, TemplateDatastream } from "../src/api/types";
import { madeUpHistory } from "./madeUpData";
import { answerForDeviceNotices, answerForNotification, answerForTemplateNotices, listNotifications } from "./madeUpNotices";
import { ago, board, image, shipment, type MadeUpWorld } from "./madeUpWorld";

export type Answer = { status?: number; json?: unknown; body?: string | Buffer; contentType?: string };
export type Request = { method: string; path: string; query: URLSearchParams; body: Record<string, unknown> };

const TOKEN = "k3Jq9ZtVw2aBx81Kw0pQm7RdYcLsN4He";
const ORDER = `rehome-release-1.DEV0000000001.1.${"0a".repeat(16)}.${"1b".repeat(64)}`;

/**
 * Answers the console's requests from `world`. Requests that change something are kept, so that a test can look at
 * what the page really sent.
 */
export class MadeUpServer {
  readonly writes: Request[] = [];

  private constructor(
    private readonly page: Page,
    readonly world: MadeUpWorld,
  ) {}

  static async start(page: Page, world: MadeUpWorld): Promise<MadeUpServer> {
    const server = new MadeUpServer(page, world);
    await page.addInitScript(replaceEventSource);
    await page.route(/^http:\/\/[^/]+\/(api|bench)\/v1\//, (route) => server.answer(route));
    return server;
  }

  /** Sends an event to the page as the server would. */
  async emit(path: "/api/v1/events" | "/bench/v1/events", type: string, data: unknown) {
    await this.page.evaluate(
      ([feedPath, feedType, feedData]) => {
        const feeds = (window as unknown as { madeUpFeeds: { url: string; fire: (t: string, d: unknown) => void }[] })
          .madeUpFeeds;
        for (const feed of feeds) if (feed.url === feedPath) feed.fire(String(feedType), { data: JSON.stringify(feedData) });
      },
      [path, type, data] as const,
    );
  }

  /** Breaks every event stream; the page opens new ones, which work unless `areRefused`. */
  async breakFeeds({ areRefused } = { areRefused: false }) {
    await this.page.evaluate((refused) => Object.assign(window, { madeUpRefusal: refused }), areRefused);
    await this.page.evaluate(() => {
      const feeds = (window as unknown as { madeUpFeeds: { fire: (t: string, d: unknown) => void }[] }).madeUpFeeds;
      for (const feed of [...feeds]) feed.fire("error", {});
    });
  }

  private async answer(route: Route) {
    const url = new URL(route.request().url());
    const method = route.request().method();
    const isFile = route.request().headers()["content-type"] !== "application/json";
    const sent = isFile ? null : (route.request().postDataJSON() as Record<string, unknown> | null);
    const body: Record<string, unknown> = sent ?? {};
    const request = { method, path: url.pathname, query: url.searchParams, body };
    if (method !== "GET") this.writes.push(request);
    const answer = this.answerTo(request);
    const isProblem = (answer.status ?? 200) >= 400;
    await route.fulfill({
      status: answer.status ?? 200,
      contentType: answer.contentType ?? (isProblem ? "application/problem+json" : "application/json"),
      body: answer.body ?? (answer.json === undefined ? "" : JSON.stringify(answer.json)),
    });
  }

  private answerTo(request: Request): Answer {
    const key = `${request.method} ${request.path}`;
    if (!this.world.isSignedIn && !request.path.startsWith("/api/v1/auth/")) {
      return problem(401, "not_signed_in", "You are not signed in", "Sign in first.");
    }
    const fixed = this.fixedAnswers()[key];
    if (fixed) return fixed(request);
    const [, area, , kind, id = "", ...rest] = request.path.split("/");
    if (area === "bench") return this.answerForBench(request, kind ?? "", decodeURIComponent(id), rest);
    if (kind === "templates" && request.method === "PATCH") {
      const template = this.world.templates.find((candidate) => candidate.id === id);
      if (!template) return problem(404, "template_not_found", "There is no such template", "No template has this id.");
      Object.assign(template, request.body);
      return { json: template };
    }
    if (kind === "devices") return this.answerForDevice(request, decodeURIComponent(id), rest);
    if (kind === "templates") return this.answerForTemplate(request, decodeURIComponent(id), rest);
    if (kind === "notifications") return answerForNotification(this.world, request, id);
    if (kind === "provisioning-sessions") return this.answerForSession(request, id);
    if (kind === "firmware") return this.answerForImage(request, id);
    if (kind === "shipments") return this.answerForShipment(request, id, rest);
    return problem(404, "not_found", "There is no such thing", request.path);
  }

  private answerForTemplate(request: Request, id: string, rest: string[]): Answer {
    const { method, body } = request;
    const [kind, pin] = rest;
    const template = this.world.templates.find((known) => known.id === id);
    if (!template) return problem(404, "template_not_found", "There is no such template", "");
    if (kind === undefined && method === "DELETE") return this.deleteTemplate(id);
    if (kind === undefined) return { json: template };
    const notices = answerForTemplateNotices(this.world.notices, request, rest);
    if (notices) return notices;
    const items = (this.world.datastreams[id] ??= []);
    if (pin === undefined) return { json: { items } };
    const others = items.filter((known) => known.pin !== Number(pin));
    if (method === "DELETE") {
      this.world.datastreams[id] = others;
      return { status: 204 };
    }
    const stored = { id: 40 + Number(pin), pin: Number(pin), settings: body } as unknown as TemplateDatastream;
    this.world.datastreams[id] = [...others, stored].sort((left, right) => left.pin - right.pin);
    return { status: 201, json: stored };
  }

  private deleteTemplate(id: string): Answer {
    if (this.world.devices.some(({ template_id }) => template_id === id)) {
      return problem(409, "template_in_use", "The template is in use", "Devices are of this template.");
    }
    this.world.templates = this.world.templates.filter((known) => known.id !== id);
    return { status: 204 };
  }

  private answerForImage({ method }: Request, id: string): Answer {
    const found = this.world.images.find((known) => known.id === id);
    if (!found) return problem(404, "firmware_not_found", "There is no such firmware image", "");
    if (method !== "DELETE") return { json: found };
    if (this.world.shipments.some(({ firmware }) => firmware.id === id)) {
      const detail = "A shipment names this image, so it stays on record.";
      return problem(409, "firmware_in_use", "A shipment names the firmware image", detail);
    }
    this.world.images = this.world.images.filter((known) => known !== found);
    return { status: 204 };
  }

  private answerForShipment({ method, body }: Request, id: string, [kind]: string[]): Answer {
    const found = this.world.shipments.find((known) => known.id === id);
    if (!found) return problem(404, "shipment_not_found", "There is no such shipment", "");
    if (kind === "deliveries") return page(this.world.deliveries[id] ?? []);
    if (method === "PATCH") found.state = body.state as ShipmentState;
    return { json: found };
  }

  private fixedAnswers(): Record<string, (request: Request) => Answer> {
    const { world } = this;
    return {
      "GET /api/v1/auth/session": () =>
        world.isSignedIn
          ? { json: { kind: "owner", has_password: world.hasPassword } }
          : problem(401, "not_signed_in", "You are not signed in", "Sign in first."),
      "DELETE /api/v1/auth/session": () => this.signedIn(false),
      "POST /api/v1/auth/link": ({ body }) =>
        body.code === "good-code"
          ? this.signedIn(true)
          : problem(401, "sign_in_link_over", "The sign-in link no longer works", "It works once and for 15 minutes."),
      "POST /api/v1/auth/password": ({ body }) =>
        body.password === "correct horse"
          ? this.signedIn(true)
          : problem(401, "invalid_credentials", "The password is wrong", ""),
      "PUT /api/v1/auth/password": () => {
        world.hasPassword = true;
        return { status: 204 };
      },
      "GET /api/v1/server": () => ({
        json: {
          version: "0.1.0",
          host: "127.0.0.1",
          plain_port: 8080,
          tls_port: 8443,
          ca_certificate_pem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
          time_zone: "Europe/Berlin",
          firmware_bytes_max: world.firmwareBytesMax,
          import_bytes_max: 2_097_152,
          bench: world.hasBench,
        },
      }),
      "GET /api/v1/templates": () => page(world.templates),
      "POST /api/v1/templates": ({ body }) => {
        const template = { id: "TMPLnew000001", name: String(body.name), created_at: ago(0), reclaim: "open" as const, gateway_api: false };
        world.templates.push(template);
        return { status: 201, json: template };
      },
      "GET /api/v1/devices": () => page(world.devices),
      "POST /api/v1/devices": ({ body }) => {
        const first = world.devices[0];
        if (first) world.devices.push({ ...first, id: "dev_99", name: String(body.name), online: false });
        return { status: 201, json: { id: "dev_99", token: TOKEN } };
      },
      "GET /api/v1/provisioning-sessions": () => page(world.sessions),
      "POST /api/v1/provisioning-sessions": ({ body }) => this.openSession(String(body.template_id)),
      "GET /api/v1/unknown-tokens": () => page(world.unknownTokens),
      "GET /api/v1/audit": () => page(world.audit),
      "GET /api/v1/firmware": () => page(world.images),
      "POST /api/v1/firmware": ({ query }) => {
        const file_name = query.get("file_name") ?? "";
        if (!file_name.endsWith(".bin")) {
          return problem(422, "firmware_not_usable", "The file is no firmware that devices would take", "The file has no firmware tag.");
        }
        const added = image({ id: "FW99", file_name, version: "2.0.0", created_at: ago(0) });
        world.images.unshift(added);
        return { status: 201, json: added };
      },
      "GET /api/v1/shipments": () => page(world.shipments),
      "POST /api/v1/shipments": ({ body }) => {
        const counts = { succeeded: 0, failed: 0, passed_over: 0, open: 3 };
        const firmware = world.images.find(({ id }) => id === body.firmware_id) ?? image({});
        const added = shipment({ id: "SHIP99", name: String(body.name), firmware, counts, created_at: ago(0) });
        world.shipments.unshift(added);
        return { status: 201, json: added };
      },
      "GET /api/v1/notifications": ({ query }) => listNotifications(world, query),
      "GET /bench/v1/places": () => page(world.places),
      "GET /bench/v1/boards": () => page(world.boards),
      "GET /bench/v1/time": () => ({ json: { scale: 1, bench_ms: 0 } }),
      "POST /bench/v1/places": ({ body }) => {
        const networks = (body.networks as Place["networks"]).map((network) => ({ ...network, up: true }));
        const added = { id: "p9", name: String(body.name), networks };
        world.places.push(added);
        return { status: 201, json: added };
      },
      "POST /bench/v1/boards": ({ body }) => {
        const added = board({ id: "b9", ...(body as object) });
        world.boards.push(added);
        return { status: 201, json: added };
      },
    };
  }

  private signedIn(isSignedIn: boolean): Answer {
    this.world.isSignedIn = isSignedIn;
    return { status: 204 };
  }

  private openSession(template_id: string): Answer {
    const session = {
      id: "ps_new",
      template_id,
      state: "open" as const,
      steps: [{ at: ago(0), step: "opened", code: null, message: "Setup opened" }],
      device_id: null,
      created_at: ago(0),
      expires_at: ago(-15),
    };
    this.world.sessions.unshift(session);
    const created = {
      id: session.id,
      template_id,
      token: TOKEN,
      claim_code: "9EF5-4D64",
      host: "127.0.0.1",
      port: 8443,
      uses_tls: true,
      expires_at: session.expires_at,
      deep_link: `http://192.168.4.1/#blynk=${TOKEN}&host=127.0.0.1&port_ssl=8443`,
    };
    return { status: 201, json: created };
  }

  private answerForDevice(request: Request, id: string, rest: string[]): Answer {
    const found = this.world.devices.find((candidate) => candidate.id === id);
    if (!found) return problem(404, "device_not_found", "There is no such device", `No device has the id ${id}.`);
    const notices = answerForDeviceNotices(this.world, request, found, rest);
    if (notices) return notices;
    const data = this.answerForData(request, rest);
    if (data) return data;
    if (rest[0] === "datastreams" && request.method === "GET") return { json: { items: this.world.pins[id] ?? [] } };
    if (rest[0] === "datastreams") return { json: { value: request.body.value, at: ago(0) } };
    if (rest[0] === "release" && rest[1] === "order") {
      return { json: { order: ORDER, link: `http://192.168.4.1/release#${ORDER}`, qr_svg: "<svg/>" } };
    }
    if (rest[0] === "release" && rest[1] === "receipt") {
      if (!String(request.body.receipt).startsWith("rehome-receipt-1.")) {
        return problem(422, "receipt_not_proven", "The receipt does not prove this release", "This receipt is another device's.");
      }
      const confirmed = { state: "confirmed" as const, safe_to_ship: true, finished_at: ago(0) };
      if (found.release) {
        found.release = { ...found.release, ...confirmed, explanation: "Safe to ship: the board proved it." };
      }
      return { json: found.release };
    }
    if (rest[0] === "release") {
      found.ownership = "releasing";
      found.release = {
        state: "sent",
        requested_at: ago(0),
        finished_at: null,
        safe_to_ship: false,
        last_seen_at: ago(0),
        attempts: 1,
        explanation: "Not safe to ship yet: the wipe order was sent, the board still answers.",
      };
      return { status: 202, json: found.release };
    }
    if (request.method === "PATCH") found.name = String(request.body.name);
    if (request.method === "DELETE") return this.forget(request, found.name);
    return { json: found };
  }

  /** History, metadata, properties and files; the same for each device. */
  private answerForData({ method, query, body }: Request, [kind, key = "", part, name = ""]: string[]): Answer | null {
    const { data } = this.world;
    if (kind === "history" && method === "POST") return { json: { points: 3 } };
    if (kind === "history" || part === "history") {
      if (method === "DELETE") data.erased.push(...(kind === "history" ? [0, 1, 2, 3, 5] : [Number(key)]));
      if (method === "DELETE") return { status: 204 };
      return page(data.erased.includes(Number(key)) ? [] : madeUpHistory(Number(key), query));
    }
    if (part === "properties") {
      data.properties = data.properties.filter(({ pin, property }) => pin !== Number(key) || property !== name);
      if (method === "DELETE") return { status: 204 };
      const added = { pin: Number(key), property: name, value: body.value as string, at: ago(0) };
      data.properties.push(added);
      return { json: added };
    }
    if (kind === "properties") return { json: { items: data.properties } };
    if (kind === "files" && method === "DELETE") {
      data.files = data.files.filter((file) => file.key !== key);
      return { status: 204 };
    }
    if (kind === "files") return { json: { items: data.files } };
    if (kind !== "metadata") return null;
    if (method === "GET") return { json: { items: data.metadata } };
    const field = decodeURIComponent(key);
    const known = data.metadata.find((candidate) => candidate.name === field);
    const set = { id: known?.id ?? 40 + data.metadata.length, name: field, value: String(body.value) };
    data.metadata = [...data.metadata.filter((candidate) => candidate !== known), set];
    return { json: set };
  }

  private forget(request: Request, name: string): Answer {
    if (request.query.get("confirm") !== name) {
      const left_behind = ["The board keeps your Wi-Fi password.", "An audit line stays here."];
      const detail = `This would be left behind: … To go on, repeat the request with \`confirm\` set to the device's name.`;
      const { status, json } = problem(409, "confirmation_required", "Confirmation is required", detail);
      return { status, json: { ...(json as object), left_behind } };
    }
    return { json: { left_behind: ["The board still holds your Wi-Fi password.", "Its token is refused from now on."] } };
  }

  private answerForSession(request: Request, id: string): Answer {
    const found = this.world.sessions.find((candidate) => candidate.id === id);
    if (!found) return problem(404, "session_not_found", "There is no such setup", "");
    if (request.method === "DELETE") found.state = "cancelled";
    return request.method === "DELETE" ? { status: 204 } : { json: found };
  }

  private answerForBench(request: Request, kind: string, id: string, rest: string[]): Answer {
    if (kind === "places") return { json: this.world.places.find((place) => place.id === id) };
    const found = this.world.boards.find((candidate) => candidate.id === id);
    if (!found) return problem(404, "board_not_found", "There is no such board", "");
    if (rest[0] === "serial") return { contentType: "text/plain", body: this.world.serial[id] ?? "" };
    if (rest[0] === "flash" && rest[1] === "summary") {
      const { home_stored } = found;
      const networks = home_stored ? ["Workshop WiFi"] : [];
      const secrets_found = home_stored || this.world.secretsFound;
      return { json: { image_bytes: 16_384, home_stored, epoch: 1, networks, secrets_found } };
    }
    if (rest[0] === "flash") {
      return { contentType: "application/octet-stream", body: this.world.flash[id] ?? Buffer.alloc(0) };
    }
    if (rest[0] === "move") found.place = (request.body.place as string | null) ?? null;
    if (rest[0] === "power") found.powered = request.body.on === true;
    return { json: found };
  }
}

export function problem(status: number, code: string, title: string, detail: string): Answer {
  return { status, json: { type: `urn:rehome:problem:${code}`, title, status, code, detail } };
}

function page(items: unknown[]): Answer {
  return { json: { items, next_cursor: null } };
}

/** Runs in the page before the console: event streams that tests can speak through. */
function replaceEventSource() {
  type Listener = (event: { data?: unknown }) => void;
  const feeds: MadeUpFeed[] = [];
  class MadeUpFeed {
    private readonly listeners = new Map<string, Listener[]>();
    constructor(readonly url: string) {
      feeds.push(this);
      const isRefused = (window as unknown as { madeUpRefusal?: boolean }).madeUpRefusal === true;
      setTimeout(() => this.fire(isRefused ? "error" : "open", {}), 0);
    }
    addEventListener(type: string, listener: Listener) {
      this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
    }
    fire(type: string, event: { data?: unknown }) {
      for (const listener of this.listeners.get(type) ?? []) listener(event);
    }
    close() {
      feeds.splice(feeds.indexOf(this), 1);
    }
  }
  Object.assign(window, { EventSource: MadeUpFeed, madeUpFeeds: feeds });
}
