import type { DatastreamSettings, DatastreamValue, HistoryPoint } from "../api/types";

export type Period = "raw" | "minute" | "hour" | "day";

export type Range = {
  key: string;
  /** What the button says. */
  label: string;
  /** What follows "the last". */
  words: string;
  length_ms: number;
  /** How fine, what suits best first. A text has no minutes, hours and days, so its values are read as they are. */
  periods: Period[];
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const RANGES: Range[] = [
  { key: "hour", label: "1 h", words: "hour", length_ms: HOUR_MS, periods: ["raw", "minute"] },
  { key: "day", label: "1 d", words: "day", length_ms: DAY_MS, periods: ["minute", "raw"] },
  { key: "week", label: "1 w", words: "week", length_ms: 7 * DAY_MS, periods: ["hour", "raw"] },
  { key: "month", label: "1 mo", words: "month", length_ms: 31 * DAY_MS, periods: ["hour", "raw"] },
  { key: "year", label: "1 y", words: "year", length_ms: 366 * DAY_MS, periods: ["day", "raw"] },
];

export function rangeOf(key: string): Range {
  return RANGES.find((range) => range.key === key) ?? (RANGES[1] as Range);
}

/** History as it was read: one period, one stretch. */
export type History = {
  period: Period;
  /** What follows "the last". */
  words: string;
  from_ms: number;
  to_ms: number;
  points: HistoryPoint[];
  /** There is more than was read. */
  isCut: boolean;
};

const PERIOD_MS: Record<Period, number> = { raw: 0, minute: 60_000, hour: HOUR_MS, day: DAY_MS };

export const PERIOD_WORDS: Record<Period, string> = {
  raw: "every value",
  minute: "by the minute",
  hour: "by the hour",
  day: "by the day, in UTC",
};

/** What a chart draws: times in seconds, and for each the mean, the smallest and the largest number. */
export type ChartData = {
  times_s: number[];
  means: (number | null)[];
  mins: (number | null)[];
  maxs: (number | null)[];
};

/**
 * Returns what a chart can draw; null when nothing in it is a number. The line breaks where stretches are missing: more of
 * them than the device leaves out between two writes anyway.
 */
export function chartData({ period, points }: History): ChartData | null {
  const data: ChartData = { times_s: [], means: [], mins: [], maxs: [] };
  const add = (time_ms: number, mean: number | null, min: number | null, max: number | null) => {
    data.times_s.push(time_ms / 1_000);
    data.means.push(mean);
    data.mins.push(min);
    data.maxs.push(max);
  };
  const gap_ms = gapOf(period, points);
  let before_ms: number | null = null;
  for (const { at, value, numbers } of points) {
    const time_ms = Date.parse(at);
    const number = numbers ? numbers.mean : numberOf(value);
    if (number === null) continue;
    if (before_ms !== null && time_ms - before_ms > gap_ms) add(before_ms + PERIOD_MS[period], null, null, null);
    add(time_ms, number, numbers?.min ?? number, numbers?.max ?? number);
    before_ms = time_ms;
  }
  return data.times_s.length === 0 ? null : data;
}

/** Usual distances that have to be missing before a line breaks. */
const GAP_DISTANCES = 3.5;

/** Time without a point after which a line breaks. Values as they were written say nothing about what is missing. */
function gapOf(period: Period, points: HistoryPoint[]): number {
  if (period === "raw") return Infinity;
  const distances = points.slice(1).map(({ at }, index) => Date.parse(at) - Date.parse(points[index]?.at ?? at));
  const usual = distances.sort((left, right) => left - right)[Math.floor((distances.length - 1) / 2)] ?? 0;
  // A device that writes in every stretch has a gap with the first one that is missing.
  return usual <= PERIOD_MS[period] ? 1.5 * PERIOD_MS[period] : GAP_DISTANCES * usual;
}

/** A single number; null for text and for several values. */
export function numberOf(value: DatastreamValue | null | undefined): number | null {
  if (typeof value !== "string" || value.trim() === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** A number for reading: without the noise that a mean of floats has. */
export function numberText(number: number): string {
  return String(Number(Math.abs(number) >= 1 ? number.toFixed(2) : number.toPrecision(3)));
}

/** What a chart shows, in a sentence. States have no lowest and highest. */
export function summaryOf(data: ChartData, name: string, words: string, settings: DatastreamSettings | undefined): string {
  const seen = (numbers: (number | null)[]) => numbers.filter((number) => number !== null);
  const text = (number: number) => meaningOf(numberText(number), settings);
  const latest = text(seen(data.means).at(-1) ?? 0);
  if (isStepped(settings)) return `${name} over the last ${words}: ${latest} at the end.`;
  const lowest = text(Math.min(...seen(data.mins)));
  const highest = text(Math.max(...seen(data.maxs)));
  return `${name} over the last ${words}: lowest ${lowest}, highest ${highest}, latest ${latest}.`;
}

/** What a value means to a person: the text of an enum, on and off of a boolean, a number with its unit. */
export function meaningOf(text: string, settings: DatastreamSettings | undefined): string {
  if (!settings) return text;
  if (settings.type === "boolean") return text === "1" ? "On" : text === "0" ? "Off" : text;
  if (settings.type === "enum") return settings.enum_rows?.find((row) => String(row.number) === text)?.text ?? text;
  return settings.unit && numberOf(text) !== null ? `${text} ${settings.unit}` : text;
}

/** Whether a value stays what it is until the next one: then lines between them would tell of numbers that never were. */
export function isStepped(settings: DatastreamSettings | undefined): boolean {
  return settings?.type === "boolean" || settings?.type === "enum";
}
