import { expect, test } from "vitest";

import { withPin } from "./cloudLive";

const early = "2026-11-22T12:00:00.000Z";
const late = "2026-11-22T12:00:01.000Z";

test("a new pin finds its place by number", () => {
  const pins = withPin([{ pin: 1, value: "a", at: early }, { pin: 9, value: "b", at: early }], { pin: 4, value: "c", at: late });
  expect(pins.map(({ pin }) => pin)).toEqual([1, 4, 9]);
});

test("a value that comes late does not replace a newer one", () => {
  const pins = [{ pin: 1, value: "new", at: late }];
  expect(withPin(pins, { pin: 1, value: "old", at: early })).toBe(pins);
});
