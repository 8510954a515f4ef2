import type {
  AuditEntry,
  Board,
  Datastream,
  Delivery,
  Device,
  FirmwareImage,
  Place,
  ProvisioningSession,
  Shipment,
  Template,
  TemplateDatastream,
  UnknownToken,
} from "../src/api/types";

import { someData, type MadeUpData } from "./madeUpData";
import { noNotices, someNotices, type MadeUpNotices } from "./madeUpNotices";

/** Everything that the made-up server answers with. Tests change it before and while a page is open. */
export type MadeUpWorld = {
  isSignedIn: boolean;
  hasPassword: boolean;
  hasBench: boolean;
  firmwareBytesMax: number;
  templates: Template[];
  datastreams: Record<string, TemplateDatastream[]>;
  devices: Device[];
  pins: Record<string, Datastream[]>;
  data: MadeUpData;
  notices: MadeUpNotices;
  sessions: ProvisioningSession[];
  unknownTokens: UnknownToken[];
  audit: AuditEntry[];
  images: FirmwareImage[];
  shipments: Shipment[];
  deliveries: Record<string, Delivery[]>;
  places: Place[];
  boards: Board[];
  serial: Record<string, string>;
  flash: Record<string, Buffer>;
  secretsFound: boolean;
};

const MINUTE_MS = 60_000;

export function ago(minutes: number): string {
  return new Date(Date.now() - minutes * MINUTE_MS).toISOString();
}

export function device(changes: Partial<Device>): Device {
  return {
    id: "dev_01",
    name: "Living room",
    template_id: "TMPL4kq9Zt2aB",
    template_name: "Air Monitor",
    uid: "246F28AABBCC",
    epoch: 1,
    ownership: "owned",
    online: true,
    on_bench: false,
    last_seen_at: ago(0.2),
    created_at: ago(4000),
    firmware: {
      version: "1.4.0",
      kind: "TMPL4kq9Zt2aB",
      build: "Nov 21 2026 18:02:11",
      library: "1.3.2",
      board: "ESP32",
      heartbeat_s: 45,
    },
    hotspot_name: "Blynk Air Monitor-1W7R",
    has_release_key: true,
    release: null,
    ...changes,
  };
}

export function board(changes: Partial<Board>): Board {
  return {
    id: "b1",
    name: "Board 1",
    firmware: "rehome",
    template_id: "TMPL4kq9Zt2aB",
    mac: "24:6F:28:AA:BB:CC",
    button: true,
    pop: null,
    powered: true,
    place: "workshop",
    state: "WAIT_CONFIG",
    hotspot: { open: true, ssid: "Blynk Air Monitor-1W7R", security: "open" },
    recovery_open: false,
    led: { pattern: "blink", times_ms: [50, 500], color: "#0D36FF" },
    portal_url: "http://127.0.0.1:40123/",
    last_error: 0,
    uptime_ms: 141_091,
    token_stored: false,
    home_stored: false,
    network_ssid: null,
    ...changes,
  };
}

export function image(changes: Partial<FirmwareImage>): FirmwareImage {
  return {
    id: "FW01",
    file_name: "air-monitor-1.5.0.bin",
    kind: "TMPL4kq9Zt2aB",
    version: "1.5.0",
    build: "Nov 22 2026 09:12:40",
    library: "1.3.2",
    size_bytes: 1_043_216,
    sha256: "0a".repeat(32),
    created_at: ago(95),
    ...changes,
  };
}

export function shipment(changes: Partial<Shipment>): Shipment {
  return {
    id: "SHIP01",
    name: "Autumn update",
    template_id: "TMPL4kq9Zt2aB",
    firmware: image({}),
    rule: "lower_version",
    state: "running",
    stage: "everyone",
    open_ended: true,
    failure_percent_max: 20,
    attempts_max: 3,
    counts: { succeeded: 1, failed: 1, passed_over: 0, open: 1 },
    created_at: ago(80),
    updated_at: ago(12),
    ...changes,
  };
}

const SERIAL = [
  "[112] Rehome 0.1.0",
  "[130] INITIAL => WAIT_CONFIG",
  "[141] AP SSID: Blynk Air Monitor-1W7R",
  "[142] AP IP:   192.168.4.1",
  "[142] AP URL:  blynk.setup",
  "[9120] WAIT_CONFIG => CONFIGURING",
  "[20412] CONFIGURING => CONNECTING_NET",
  "[22871] Network join failed: authentication",
  "[22872] CONNECTING_NET => WAIT_CONFIG",
].join("\n");

function flashImage(): Buffer {
  const image = Buffer.alloc(16 * 1024, 0xff);
  image.write("RHHS", 0);
  image.writeUInt32LE(1, 4);
  image.write("Workshop WiFi", 64);
  image.write("127.0.0.1", 96);
  return image;
}

export function fullWorld(): MadeUpWorld {
  return {
    isSignedIn: true,
    hasPassword: false,
    hasBench: true,
    firmwareBytesMax: 67_108_864,
    datastreams: {
      TMPL4kq9Zt2aB: [
        {
          id: 41,
          pin: 1,
          settings: { name: "Temperature", type: "double", min: -40, max: 85, decimals: "#.#", unit: "°C", default: "20" },
        },
        { id: 42, pin: 2, settings: { name: "Mode", type: "enum", enum_rows: [{ number: 0, text: "Off" }] } },
        { id: 43, pin: 3, settings: { name: "Pump", type: "boolean", default: "0" } },
      ],
    },
    templates: [
      { id: "TMPL4kq9Zt2aB", name: "Air Monitor", created_at: ago(9000), reclaim: "open" as const, gateway_api: false },
      { id: "TMPLx81Kw0pQm", name: "Industrial Water Meter Pro", created_at: ago(8000), reclaim: "open" as const, gateway_api: false },
    ],
    devices: [
      device({}),
      device({ id: "dev_02", name: "Greenhouse north", online: false, last_seen_at: ago(190) }),
      device({
        id: "dev_03",
        name: "Demo unit 7",
        ownership: "releasing",
        online: false,
        last_seen_at: ago(60 * 26),
        release: {
          state: "pending",
          requested_at: ago(18),
          finished_at: null,
          safe_to_ship: false,
          last_seen_at: ago(60 * 26),
          attempts: 0,
          explanation:
            "Not safe to ship yet: the board was last seen yesterday at 09:12, it is wiped when it next connects.",
        },
      }),
      device({
        id: "dev_04",
        name: "Demo unit 6",
        ownership: "released",
        online: false,
        last_seen_at: ago(31),
        release: {
          state: "inferred",
          requested_at: ago(33),
          finished_at: ago(31),
          safe_to_ship: true,
          last_seen_at: ago(31),
          attempts: 2,
          explanation: "Safe to ship: the board fell silent after the wipe order and did not come back.",
        },
      }),
      device({
        id: "dev_05",
        name: "Meter 0001",
        template_name: "Industrial Water Meter Pro",
        ownership: "reserved",
        online: false,
        last_seen_at: null,
        firmware: null,
        uid: null,
        hotspot_name: null,
      }),
    ],
    data: someData(),
    notices: someNotices(),
    pins: {
      dev_01: [
        { pin: 0, value: "21.4", at: ago(0.05) },
        { pin: 1, value: "48", at: ago(0.05) },
        { pin: 2, value: "612", at: ago(2) },
        { pin: 3, value: "1", at: ago(30) },
        { pin: 5, value: ["52.5200", "13.4050"], at: ago(140) },
      ],
    },
    sessions: [
      {
        id: "ps_03",
        template_id: "TMPL4kq9Zt2aB",
        state: "open",
        steps: [{ at: ago(1), step: "opened", code: null, message: "Setup opened" }],
        device_id: null,
        created_at: ago(1),
        expires_at: ago(-11),
      },
      {
        id: "ps_02",
        template_id: "TMPL4kq9Zt2aB",
        state: "claimed",
        steps: [
          { at: ago(44), step: "opened", code: null, message: "Setup opened" },
          { at: ago(42), step: "reported", code: 722, message: "The board reported an error" },
          { at: ago(41), step: "device_logged_in", code: null, message: "First connection" },
          { at: ago(41), step: "claimed", code: null, message: "Device claimed" },
        ],
        device_id: "dev_01",
        created_at: ago(44),
        expires_at: ago(29),
      },
      {
        id: "ps_01",
        template_id: "TMPLx81Kw0pQm",
        state: "expired",
        steps: [{ at: ago(300), step: "opened", code: null, message: "Setup opened" }],
        device_id: null,
        created_at: ago(300),
        expires_at: ago(285),
      },
    ],
    unknownTokens: [
      {
        fingerprint: "9f31c2ab77e0",
        first_seen_at: ago(500),
        last_seen_at: ago(3),
        attempts: 41,
        remote: "192.168.1.57",
      },
    ],
    audit: [
      { at: ago(18), actor: "owner", action: "device.release", subject: "dev_03", detail: "board offline, wipe pending" },
      { at: ago(41), actor: "device", action: "device.claim", subject: "dev_01", detail: "epoch 1" },
      { at: ago(44), actor: "owner", action: "session.sign_in", subject: "owner", detail: "by link" },
    ],
    images: [image({}), image({ id: "FW00", file_name: "air-monitor-1.4.0.bin", version: "1.4.0", build: null, created_at: ago(6000) })],
    shipments: [
      shipment({}),
      shipment({ id: "SHIP00", name: "Water meters, canaries first", state: "stopped", stage: "canary", open_ended: false }),
    ],
    deliveries: {
      SHIP01: [
        { device_id: "dev_01", canary: true, state: "success", attempts: 1, updated_at: ago(30) },
        { device_id: "dev_02", canary: false, state: "rollback", attempts: 1, updated_at: ago(14) },
        { device_id: "dev_03", canary: false, state: "waiting", attempts: 0, updated_at: ago(80) },
      ],
    },
    places: [
      {
        id: "workshop",
        name: "Workshop",
        networks: [
          { ssid: "Workshop WiFi", security: "wpa2", internet: true, up: true, password_hint: "solder-and-coffee" },
        ],
      },
      {
        id: "home",
        name: "Customer's home",
        networks: [{ ssid: "FamilyNet", security: "wpa3", internet: true, up: true }],
      },
    ],
    boards: [
      board({}),
      board({
        id: "b2",
        name: "Board 2",
        firmware: "edgent-old",
        state: "RUNNING",
        hotspot: null,
        portal_url: null,
        home_stored: true,
        token_stored: true,
        network_ssid: "Workshop WiFi",
        led: { pattern: "wave", times_ms: [5000], color: "#2EFFB9" },
        mac: "A4:CF:12:00:00:01",
      }),
      board({
        id: "b3",
        name: "Board 3",
        firmware: "edgent-new",
        place: null,
        powered: false,
        state: "OFF",
        hotspot: null,
        portal_url: null,
        led: { pattern: "off", times_ms: [], color: "#000000" },
        button: false,
        uptime_ms: 0,
      }),
    ],
    serial: { b1: SERIAL, b2: SERIAL, b3: "" },
    flash: { b1: flashImage(), b2: flashImage(), b3: Buffer.alloc(4096, 0xff) },
    secretsFound: false,
  };
}

export function emptyWorld(): MadeUpWorld {
  return {
    ...fullWorld(),
    templates: [],
    datastreams: {},
    devices: [],
    pins: {},
    sessions: [],
    unknownTokens: [],
    audit: [],
    images: [],
    shipments: [],
    deliveries: {},
    notices: noNotices(),
    places: [],
    boards: [],
  };
}
