import type { ConnectionLifecycle, LifecycleStatus } from "../api/types";
import { missingInNotifying, notifyingFormOf, notifyingOf, periodText, type NotifyingForm } from "./eventForm";
import { isHexColor } from "./hexColor";

/** A status as it stands in the fields of the form. */
export type StatusForm = NotifyingForm & {
  name: string;
  /** `#RRGGBB`, or empty for the console's own. */
  color: string;
  wait: number | string;
  description: string;
  onTimeline: boolean;
};

/** Limits of the HTTP API, in seconds. */
const OFFLINE_WAIT_S_MAX = 1_800;
const CUSTOM_WAIT_S_MAX = 2_592_000;
export const IGNORE_S_MAX = 86_400;

const CUSTOM_STATUSES_MAX = 2;
const CUSTOM_WAIT_S_PROPOSED = 86_400;

/** Places of the two statuses that every template has; custom ones follow. */
export const ONLINE = 0;
export const OFFLINE = 1;

export const NEW_STATUS: StatusForm = {
  name: "",
  color: "",
  wait: CUSTOM_WAIT_S_PROPOSED,
  description: "",
  onTimeline: true,
  ...notifyingFormOf(undefined),
};

/** Online, offline and the custom statuses, in the order in which they apply. */
export function statusesOf({ online, offline, custom }: ConnectionLifecycle): LifecycleStatus[] {
  return [online, offline, ...(custom ?? [])];
}

export const takesAnother = (lifecycle: ConnectionLifecycle) => (lifecycle.custom ?? []).length < CUSTOM_STATUSES_MAX;

/** The lifecycle with another status at a place; null takes a custom one away, the place after the last adds one. */
export function withStatus(lifecycle: ConnectionLifecycle, place: number, status: LifecycleStatus | null): ConnectionLifecycle {
  const changed: (LifecycleStatus | null)[] = statusesOf(lifecycle);
  changed[place] = status;
  const [online, offline, ...custom] = changed;
  return {
    ...lifecycle,
    online: online ?? lifecycle.online,
    offline: offline ?? lifecycle.offline,
    custom: custom.filter((one) => one !== null),
  };
}

/** The shortest and longest wait at a place, in seconds. */
export function waitLimits(place: number): { min: number; max: number } {
  return place === OFFLINE ? { min: 0, max: OFFLINE_WAIT_S_MAX } : { min: 1, max: CUSTOM_WAIT_S_MAX };
}

/** When the status at a place begins to apply, in words. */
export function waitText(place: number, { wait_s = 0 }: Pick<LifecycleStatus, "wait_s">): string {
  if (place === ONLINE) return "when it connects";
  if (place === OFFLINE) return wait_s === 0 ? "when it disconnects" : `${periodText(wait_s)} after it disconnects`;
  return `${periodText(wait_s)} after the status before`;
}

export function statusFormOf(status: LifecycleStatus): StatusForm {
  return {
    name: status.name,
    color: status.color ?? "",
    wait: status.wait_s ?? 0,
    description: status.description ?? "",
    onTimeline: status.show_on_timeline ?? false,
    ...notifyingFormOf(status.notifying),
  };
}

export function statusOf(form: StatusForm): LifecycleStatus {
  return {
    name: form.name.trim(),
    color: form.color.trim() === "" ? null : form.color.trim(),
    wait_s: Number(form.wait),
    description: form.description.trim(),
    show_on_timeline: form.onTimeline,
    notifying: notifyingOf(form),
  };
}

/** Says what is still missing, or null when the form can be sent. */
export function missingInStatus(form: StatusForm): string | null {
  if (form.name.trim() === "") return "Give the status a name.";
  if (typeof form.wait !== "number") return "Say after how many seconds it applies.";
  if (form.color.trim() !== "" && !isHexColor(form.color.trim())) return "Write the colour as #16794C, or leave it empty.";
  return missingInNotifying(form);
}
