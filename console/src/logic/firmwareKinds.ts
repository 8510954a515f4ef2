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

/** TLS ports that new Edgent tries, one after the other; nothing on the board changes that. */
const EDGENT_NEW_PORTS = [443, 9443];

/** The same in words. */
export const FIXED_PORTS = EDGENT_NEW_PORTS.join(", then ");

/** Whether this firmware can be told a port. New Edgent ignores it. */
export function takesPort(kind: string): boolean {
  return kind !== "edgent-new";
}

/** Whether firmware that cannot be told a port finds a server on this one by itself. */
export function isFixedPort(port: number): boolean {
  return EDGENT_NEW_PORTS.includes(port);
}
