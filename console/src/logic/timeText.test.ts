import { expect, test } from "vitest";

import { countdown, lastingText, relativeTime, spanText } from "./timeText";

const now_ms = Date.parse("2026-11-22T12:00:00.000Z");

test.each([
  ["2026-11-22T11:59:58.000Z", "just now"],
  ["2026-11-22T11:59:18.000Z", "42 seconds ago"],
  ["2026-11-22T11:57:00.000Z", "3 minutes ago"],
  ["2026-11-22T10:00:00.000Z", "2 hours ago"],
  ["2026-11-21T09:00:00.000Z", "yesterday"],
  ["2026-11-22T12:10:00.000Z", "in 10 minutes"],
])("%s reads as %s", (at, expected) => {
  expect(relativeTime(at, now_ms)).toBe(expected);
});

test("a device that was never seen says so", () => {
  expect(relativeTime(null, now_ms)).toBe("never");
});

test("a countdown ends in nothing", () => {
  expect(countdown("2026-11-22T12:14:59.500Z", now_ms)).toBe("15:00");
  expect(countdown("2026-11-22T12:00:00.400Z", now_ms)).toBe("0:01");
  expect(countdown("2026-11-22T12:00:00.000Z", now_ms)).toBeNull();
});

test("a span shows its two largest units", () => {
  expect(spanText(42_900)).toBe("42 s");
  expect(spanText(185_000)).toBe("3 min 5 s");
  expect(spanText(7_800_000)).toBe("2 h 10 min");
});

test("what lasts longer is said without seconds", () => {
  expect([42_000, 60_000, 3_599_000, 7_800_000, 90_000_000].map(lastingText)).toEqual(["42 s", "1 min", "59 min", "2 h 10 min", "1 d 1 h"]);
});
