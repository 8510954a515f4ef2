import type { Device } from "../api/types";

export type StatusMark = { tone: "good" | "wait" | "bad" | "info" | "off"; label: string };

/** One word on how a device stands, for lists and headings. */
export function deviceStatus(device: Pick<Device, "ownership" | "online" | "release" | "last_seen_at">): StatusMark {
  if (device.release?.safe_to_ship) return { tone: "good", label: "Safe to ship" };
  if (device.ownership === "releasing" || device.release) return { tone: "wait", label: "Being released" };
  if (device.online) return { tone: "good", label: "Online" };
  if (device.ownership === "reserved" && !device.last_seen_at) return { tone: "off", label: "Never connected" };
  return { tone: "off", label: "Offline" };
}
