import type { EventType, Notifying, TemplateEvent, TemplateEventSettings } from "../api/types";

/** Who is told and when, as it stands in the fields of a form. */
export type NotifyingForm = {
  email: boolean;
  webhooks: boolean;
  isLimited: boolean;
  limitPeriod: number | string;
  afterCount: number | string;
};

/** An event of a template as it stands in the fields of the form. */
export type EventForm = NotifyingForm & {
  code: string;
  name: string;
  type: EventType;
  description: string;
  onTimeline: boolean;
};

/** Limits of the HTTP API. */
export const NAME_LEN_MAX = 50;
export const DESCRIPTION_LEN_MAX = 250;
export const LIMIT_PERIOD_S_MAX = 2_592_000;
export const AFTER_COUNT_MAX = 10_000;

const LIMIT_PERIOD_S_PROPOSED = 3_600;

export const EVENT_TYPES: { value: EventType; label: string }[] = [
  { value: "info", label: "Info: good to know" },
  { value: "warning", label: "Warning: somebody should look" },
  { value: "critical", label: "Critical: somebody must act" },
  { value: "content", label: "Content: something to read" },
];

export const NEW_EVENT: EventForm = {
  code: "",
  name: "",
  type: "info",
  description: "",
  onTimeline: true,
  ...notifyingFormOf(undefined),
};

export function notifyingFormOf(notifying: Notifying | undefined): NotifyingForm {
  return {
    email: notifying?.email ?? false,
    webhooks: notifying?.webhooks ?? false,
    isLimited: notifying?.limit_period_s != null,
    limitPeriod: notifying?.limit_period_s ?? LIMIT_PERIOD_S_PROPOSED,
    afterCount: notifying?.after_count ?? 1,
  };
}

export function notifyingOf(form: NotifyingForm): Notifying {
  return {
    email: form.email,
    webhooks: form.webhooks,
    limit_period_s: form.isLimited && typeof form.limitPeriod === "number" ? form.limitPeriod : null,
    after_count: typeof form.afterCount === "number" ? form.afterCount : 1,
  };
}

/** Says what is missing in who is told, or null. Where nobody is, the fields are not on the screen. */
export function missingInNotifying(form: NotifyingForm): string | null {
  if (!form.email && !form.webhooks) return null;
  if (form.isLimited && typeof form.limitPeriod !== "number") return "Say how many seconds lie between two notifications.";
  if (typeof form.afterCount !== "number") return "Say after how many times somebody is told.";
  return null;
}

export function eventFormOf({ code, settings }: TemplateEvent): EventForm {
  return {
    code,
    name: settings.name,
    type: settings.type,
    description: settings.description ?? "",
    onTimeline: settings.show_on_timeline ?? false,
    ...notifyingFormOf(settings.notifying),
  };
}

export function eventSettingsOf(form: EventForm): TemplateEventSettings {
  return {
    name: form.name.trim(),
    type: form.type,
    description: form.description.trim(),
    show_on_timeline: form.onTimeline,
    notifying: notifyingOf(form),
  };
}

/** Says what is still missing, or null when the form can be sent. */
export function missingInEvent(form: EventForm, taken: string[]): string | null {
  const code = form.code.trim();
  if (form.name.trim() === "") return "Give the event a name.";
  if (code === "") return "Give the event the code that the firmware sends.";
  if (!/^[\p{L}\p{N}_ ]+$/u.test(code)) return "A code has letters, digits, spaces and underscores.";
  if (taken.includes(code)) return `There is an event with the code ${code} already. Edit that one.`;
  return missingInNotifying(form);
}

/** Who is told, in a few words, for the list. */
export function notifyingText(notifying: Notifying | undefined): string {
  const channels = [notifying?.email ? "e-mail" : "", notifying?.webhooks ? "webhooks" : ""].filter(Boolean);
  if (!notifying || channels.length === 0) return "nobody";
  const after = notifying.after_count > 1 ? `, after ${notifying.after_count} events` : "";
  const limit = notifying.limit_period_s == null ? "" : `, once in ${periodText(notifying.limit_period_s)}`;
  return `${channels.join(" and ")}${after}${limit}`;
}

const UNITS: [seconds: number, unit: string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** Seconds in the largest unit that leaves no rest: "1 h", "90 s", "3 d". */
export function periodText(seconds: number): string {
  const fitting = UNITS.find(([size]) => seconds >= size && seconds % size === 0);
  return fitting ? `${seconds / fitting[0]} ${fitting[1]}` : `${seconds} s`;
}
