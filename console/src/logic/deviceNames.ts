import type { Device } from "../api/types";

type Named = Pick<Device, "id" | "name" | "template_name" | "hotspot_name" | "uid">;

/**
 * What tells this board from others beside its name: its hotspot's name, which people know from their phones. A board
 * that nobody named and that told no hotspot is told apart by its hardware id or its number here.
 */
export function boardMark(device: Named): string | null {
  if (device.hotspot_name) return device.hotspot_name;
  return device.name === device.template_name ? (device.uid ?? device.id) : null;
}

/** The name in a line of text; with the end of its hotspot's name where nobody gave the board a name of its own. */
export function deviceLabel(device: Named): string {
  if (device.name !== device.template_name) return device.name;
  const suffix = device.hotspot_name?.match(/-([^-\s]+)$/)?.[1];
  return `${device.name} (${suffix ?? device.uid ?? device.id})`;
}
