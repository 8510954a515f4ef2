import type { DeviceFile, DeviceProperty, HistoryPoint, MetadataField } from "../src/api/types";

/** What a made-up device has besides values. */
export type MadeUpData = {
  metadata: MetadataField[];
  properties: DeviceProperty[];
  files: DeviceFile[];
  /** Pins whose history was erased. */
  erased: number[];
};

const STEP_MS = { raw: 45_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

export function someData(): MadeUpData {
  const at = new Date().toISOString();
  return {
    metadata: [
      { id: 1, name: "Device Name", value: "Living room" },
      { id: 5, name: "Hotspot Name", value: "Blynk Air Monitor-1W7R" },
      { id: 6, name: "Serial number", value: "AM-2026-000117" },
    ],
    properties: [
      { pin: 1, property: "color", value: "#D3435C", at },
      { pin: 1, property: "label", value: "Warmth", at },
    ],
    files: [
      { key: "k1", kind: "dump", name: "coredump.bin", size_bytes: 65_536, at },
      { key: "k2", kind: "file", name: "photo-of-the-window-sill-in-the-morning.jpg", size_bytes: 412_331, at },
    ],
    erased: [],
  };
}

/** A curve with a daily wave and two gaps; as fine as is asked. */
export function madeUpHistory(pin: number, query: URLSearchParams): HistoryPoint[] {
  const period = (query.get("period") ?? "raw") as keyof typeof STEP_MS;
  const step_ms = STEP_MS[period];
  const [from_ms, to_ms] = [Number(query.get("from")), Number(query.get("to"))];
  const points: HistoryPoint[] = [];
  for (let at_ms = Math.ceil(from_ms / step_ms) * step_ms; at_ms < to_ms; at_ms += step_ms) {
    const share = (at_ms - from_ms) / (to_ms - from_ms);
    if (share > 0.3 && share < 0.36) continue;
    const at = new Date(at_ms).toISOString();
    if (pin === 3) {
      const state = Math.sin(at_ms / 9_000_000) > 0 ? 1 : 0;
      points.push(pointOf(at, period, state, 0, 1));
      continue;
    }
    const mean = 21 + pin + 3 * Math.sin(at_ms / 13_000_000) + 0.6 * Math.sin(at_ms / 1_100_000);
    points.push(pointOf(at, period, mean, mean - 0.9 - 0.4 * Math.sin(at_ms / 700_000), mean + 0.8));
  }
  return points.slice(0, Number(query.get("limit") ?? 1_000));
}

function pointOf(at: string, period: string, mean: number, min: number, max: number): HistoryPoint {
  if (period === "raw") return { at, value: String(Number(mean.toFixed(2))), numbers: null };
  return { at, value: null, numbers: { count: 60, min, max, mean, last: mean } };
}
