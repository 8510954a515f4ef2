export type FirmwareFamily = "rehome" | "edgent-old" | "edgent-new";

/** Bytes of a hotspot name. Source: reference/edgent-device.md §4; lifecycle.md "The hotspot". */
const NAME_BYTES_MAX: Record<FirmwareFamily, number> = { "rehome": 31, "edgent-old": 31, "edgent-new": 29 };

/** Space, hyphen and the four characters of the suffix. */
const FIXED_BYTES = 6;

/**
 * The name a board's hotspot will show, with `····` for the four characters that come from its MAC address.
 */
export function expectedHotspotName(family: FirmwareFamily, templateName: string, prefix = "Blynk"): string {
  if (family === "edgent-new" && prefix === templateName) return `${prefix}-····`;
  const nameBytesMax = NAME_BYTES_MAX[family] - FIXED_BYTES - byteLength(prefix);
  return `${prefix} ${cutToBytes(templateName, nameBytesMax)}-····`;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function cutToBytes(text: string, bytesMax: number): string {
  let kept = "";
  for (const character of text) {
    if (byteLength(kept + character) > bytesMax) break;
    kept += character;
  }
  return kept;
}
