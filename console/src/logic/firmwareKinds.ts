import type { FirmwareFamily } from "./hotspotName";

export type FirmwareKind = FirmwareFamily | "sketch";

export const FIRMWARE_KINDS: { id: FirmwareKind; name: string; hint: string }[] = [
  { id: "rehome", name: "Rehome", hint: "Scan a code; the board's page has everything filled in." },
  { id: "edgent-old", name: "Blynk.Edgent, 1.x", hint: "The template with a hotspot that came with the Blynk library." },
  { id: "edgent-new", name: "Blynk.Edgent, new", hint: "The separate Edgent library." },
  { id: "sketch", name: "Token in a sketch", hint: "You paste a token into your code. No hotspot." },
];

export function firmwareName(kind: string): string {
  return FIRMWARE_KINDS.find(({ id }) => id === kind)?.name ?? kind;
}
