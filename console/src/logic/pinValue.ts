import type { DatastreamValue } from "../api/types";

/** Virtual pins are V0..V255. Source: reference/wire-protocol.md. */
export const PIN_MAX = 255;

/** A pin's value for reading; several values are parted by commas. */
export function valueText(value: DatastreamValue): string {
  return Array.isArray(value) ? value.join(", ") : value;
}

/** What an edited text means: a pin that held several values keeps holding several. */
export function editedValue(text: string, former: DatastreamValue): DatastreamValue {
  return Array.isArray(former) ? text.split(",").map((part) => part.trim()) : text;
}
