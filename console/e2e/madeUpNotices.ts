import type {
  ConnectionLifecycle,
  Device,
  LifecycleDeviceStatus,
  Notification,
  TemplateEvent,
  TimelineEntry,
  Webhook,
} from "../src/api/types";

import type { Answer, Request } from "./madeUpServer";
import { ago, type MadeUpWorld } from "./madeUpWorld";

/** Timelines, events and who is told; the same for each device and each template. */
export type MadeUpNotices = {
  timeline: TimelineEntry[];
  status: LifecycleDeviceStatus;
  events: TemplateEvent[];
  lifecycle: ConnectionLifecycle;
  recipients: string[];
  webhooks: Webhook[];
  notifications: Notification[];
  /** Orders are answered as if the device had just gone. */
  refusesOrders: boolean;
};

const TIMELINE_PAGE_LEN = 20;

export function entry(changes: Partial<TimelineEntry>): TimelineEntry {
  return {
    id: 1,
    type: "info",
    code: null,
    title: "Filter changed",
    description: "",
    at: ago(10),
    can_be_resolved: changes.type === "critical" || changes.type === "warning",
    resolved_at: null,
    resolved_by: null,
    archived: false,
    comments: [],
    ...changes,
  };
}

export function someNotices(): MadeUpNotices {
  const older = Array.from({ length: 30 }, (_, index) =>
    entry({ id: 30 - index, title: `Self-test ${30 - index} passed`, code: "self_test", at: ago(3_000 + index * 60) }),
  );
  return {
    timeline: [
      entry({
        id: 107,
        type: "critical",
        code: "leak",
        title: "Leak under the sink",
        description: "The sensor in the cupboard has been wet for 4 minutes.",
        at: ago(3),
      }),
      entry({ id: 106, type: "online", title: "Online", at: ago(12) }),
      entry({ id: 105, type: "status", title: "Inactive", description: "Nobody has seen it for a day.", at: ago(400) }),
      entry({ id: 104, type: "offline", title: "Offline", at: ago(1_840) }),
      entry({
        id: 103,
        type: "warning",
        code: "hot",
        title: "Too warm",
        description: "31.4 °C",
        at: ago(2_000),
        resolved_at: ago(1_950),
        resolved_by: "owner",
        comments: [{ at: ago(1_960), actor: "owner", text: "It stood in the sun. Moved behind the curtain." }],
      }),
      entry({ id: 102, type: "note", title: "Note", description: "New battery put in.", at: ago(2_600) }),
      entry({ id: 101, type: "content", code: "monthly", title: "Monthly report", description: "Average 21.3 °C.", at: ago(2_900) }),
      ...older,
    ],
    status: { kind: "online", name: "Online", color: null, since: ago(12) },
    events: [
      {
        code: "leak",
        settings: {
          name: "Leak under the sink",
          type: "critical",
          description: "Water where none should be.",
          show_on_timeline: true,
          notifying: { email: true, webhooks: true, limit_period_s: 3_600, after_count: 1 },
        },
      },
      {
        code: "hot",
        settings: {
          name: "Too warm",
          type: "warning",
          description: "",
          show_on_timeline: true,
          notifying: { email: false, webhooks: true, limit_period_s: null, after_count: 5 },
        },
      },
      { code: "self_test", settings: { name: "Self-test passed", type: "info", show_on_timeline: true } },
    ],
    lifecycle: {
      online: { name: "Online", color: "#16794C", wait_s: 0, show_on_timeline: true },
      offline: { name: "Offline", color: null, wait_s: 60, show_on_timeline: true },
      custom: [{ name: "Inactive", color: "#8A5A00", wait_s: 86_400, show_on_timeline: true }],
      offline_ignore_s: null,
      online_when_data_is_reported: false,
    },
    recipients: ["workshop@example.org"],
    webhooks: [{ id: 3, name: "House controller", url: "https://hooks.example.org/rehome", created_at: ago(5_000) }],
    notifications: [
      notification({ id: 11, attempts: 8, last_error: "The webhook answered 500." }),
      notification({
        id: 12,
        webhook_id: null,
        email: "workshop@example.org",
        subject: "Living room: Too warm",
        attempts: 8,
        last_error: "The mail server refused the sender.",
      }),
      notification({
        id: 13,
        state: "waiting",
        attempts: 2,
        next_attempt_at: ago(-4),
        last_error: "No answer within 10 s.",
      }),
    ],
    refusesOrders: false,
  };
}

export function noNotices(): MadeUpNotices {
  return { ...someNotices(), timeline: [], events: [], recipients: [], webhooks: [], notifications: [] };
}

export function notification(changes: Partial<Notification>): Notification {
  return {
    id: 1,
    device_id: "dev_01",
    state: "dead",
    email: null,
    webhook_id: 3,
    subject: "Living room: Leak under the sink",
    created_at: ago(300),
    attempts: 0,
    next_attempt_at: null,
    last_error: null,
    ...changes,
  };
}

/** Timeline, status and orders of a device; null for what is none of them. */
export function answerForDeviceNotices(world: MadeUpWorld, request: Request, device: Device, rest: string[]): Answer | null {
  const { notices } = world;
  if (rest[0] === "status") return { json: notices.status };
  if (rest[0] === "commands") {
    if (device.online && !notices.refusesOrders) return { status: 204 };
    return refusal(409, "device_offline", "The device is not connected", "Only a connected device takes orders.");
  }
  if (rest[0] !== "timeline") return null;
  if (rest[1] === undefined) return request.method === "GET" ? listTimeline(notices, request.query) : note(notices, request);
  const found = notices.timeline.find(({ id }) => id === Number(rest[1]));
  if (!found) return refusal(404, "timeline_entry_not_found", "There is no such entry", "");
  if (rest[2] === "comments") {
    found.comments.push({ at: ago(0), actor: "owner", text: String(request.body.text) });
    return { status: 201, json: found };
  }
  const { resolved, archived } = request.body;
  if (resolved !== undefined) Object.assign(found, { resolved_at: resolved ? ago(0) : null, resolved_by: resolved ? "owner" : null });
  if (archived !== undefined) found.archived = archived === true;
  return { json: found };
}

function listTimeline({ timeline }: MadeUpNotices, query: URLSearchParams): Answer {
  const wanted = timeline.filter(
    ({ type, resolved_at, archived }) =>
      (query.get("type") ?? type) === type &&
      archived === (query.get("archived") === "true") &&
      (query.get("resolved") ?? String(resolved_at !== null)) === String(resolved_at !== null),
  );
  const start = Number(query.get("cursor") ?? 0);
  const end = start + Number(query.get("limit") ?? TIMELINE_PAGE_LEN);
  return { json: { items: wanted.slice(start, end), next_cursor: end < wanted.length ? String(end) : null } };
}

function note(notices: MadeUpNotices, { body }: Request): Answer {
  const written = entry({ id: 900 + notices.timeline.length, type: "note", title: "Note", description: String(body.text), at: ago(0) });
  notices.timeline.unshift(written);
  return { status: 201, json: written };
}

/** Events, lifecycle, recipients and webhooks of a template; null for what is none of them. */
export function answerForTemplateNotices(notices: MadeUpNotices, { method, body }: Request, [kind, key]: string[]): Answer | null {
  if (kind === "events") {
    if (key === undefined) return { json: { items: notices.events } };
    const code = decodeURIComponent(key);
    const others = notices.events.filter((event) => event.code !== code);
    const stored = { code, settings: body as unknown as TemplateEvent["settings"] };
    notices.events = method === "DELETE" ? others : [...others, stored].sort((a, b) => a.code.localeCompare(b.code));
    return method === "DELETE" ? { status: 204 } : { status: 201, json: stored };
  }
  if (kind === "lifecycle") {
    if (method === "PUT") notices.lifecycle = body as unknown as ConnectionLifecycle;
    return { json: notices.lifecycle };
  }
  if (kind === "recipients") {
    if (method === "PUT") notices.recipients = body.email as string[];
    return { json: { email: notices.recipients } };
  }
  if (kind !== "webhooks") return null;
  if (method === "GET") return { json: { items: notices.webhooks } };
  if (method === "DELETE") {
    notices.webhooks = notices.webhooks.filter(({ id }) => id !== Number(key));
    return { status: 204 };
  }
  const webhook = { id: 9, name: String(body.name), url: String(body.url), created_at: ago(0) };
  notices.webhooks.push(webhook);
  return { status: 201, json: { webhook, secret: "made-up-secret-of-the-webhook-0001" } };
}

export function listNotifications({ notices }: MadeUpWorld, query: URLSearchParams): Answer {
  const state = query.get("state") ?? "dead";
  return { json: { items: notices.notifications.filter((known) => known.state === state), next_cursor: null } };
}

export function answerForNotification({ notices }: MadeUpWorld, { method }: Request, id: string): Answer {
  const found = notices.notifications.find((known) => known.id === Number(id));
  if (!found) {
    const detail = "There is no such notification; it may have been delivered meanwhile.";
    return refusal(404, "notification_not_found", "There is no such notification", detail);
  }
  if (method === "DELETE") {
    notices.notifications = notices.notifications.filter((known) => known !== found);
    return { status: 204 };
  }
  Object.assign(found, { state: "waiting", next_attempt_at: ago(0) });
  return { status: 202, json: found };
}

function refusal(status: number, code: string, title: string, detail: string): Answer {
  return { status, json: { type: `urn:rehome:problem:${code}`, title, status, code, detail } };
}
