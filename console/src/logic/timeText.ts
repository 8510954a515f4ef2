const STEPS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, "second"],
  [3600, "minute"],
  [86_400, "hour"],
  [30 * 86_400, "day"],
  [365 * 86_400, "month"],
  [Number.POSITIVE_INFINITY, "year"],
];

const UNIT_SECONDS: Partial<Record<Intl.RelativeTimeFormatUnit, number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  month: 30 * 86_400,
  year: 365 * 86_400,
};

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** "just now", "3 minutes ago", "in 2 hours". */
export function relativeTime(at: string | null | undefined, now_ms: number): string {
  if (!at) return "never";
  const seconds = (Date.parse(at) - now_ms) / 1000;
  if (Number.isNaN(seconds)) return at;
  const size = Math.abs(seconds);
  if (size < 5) return "just now";
  const unit = STEPS.find(([limit]) => size < limit)?.[1] ?? "year";
  return relative.format(Math.trunc(seconds / (UNIT_SECONDS[unit] ?? 1)), unit);
}

export function absoluteTime(at: string): string {
  const time_ms = Date.parse(at);
  return Number.isNaN(time_ms) ? at : absolute.format(time_ms);
}

export function clockTime(at: string): string {
  const time_ms = Date.parse(at);
  return Number.isNaN(time_ms) ? at : clock.format(time_ms);
}

/** Time left until `at` as "9:58"; `null` once it is over. */
export function countdown(at: string, now_ms: number): string | null {
  const left_s = Math.ceil((Date.parse(at) - now_ms) / 1000);
  if (Number.isNaN(left_s) || left_s <= 0) return null;
  const hours = Math.floor(left_s / 3600);
  const minutes = Math.floor((left_s % 3600) / 60);
  const seconds = String(left_s % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** A span such as an uptime: "42 s", "3 min 5 s", "2 h 10 min", "4 d 3 h". */
export function spanText(span_ms: number): string {
  const seconds = Math.max(0, Math.floor(span_ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** How long something has lasted, without the seconds that only count at the beginning: "42 s", "3 min", "2 h 10 min". */
export function lastingText(span_ms: number): string {
  const minutes = Math.floor(span_ms / 60_000);
  return minutes >= 1 && minutes < 60 ? `${minutes} min` : spanText(span_ms);
}
