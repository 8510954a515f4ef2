import { expect, test } from "vitest";

import { boardMark, deviceLabel } from "./deviceNames";

const unnamed = {
  id: "DEV1",
  name: "Air Monitor",
  template_name: "Air Monitor",
  hotspot_name: "Blynk Air Monitor-1W7R" as string | null,
  uid: "246F28AABBCC" as string | null,
};

test("boards that nobody named are told apart by their hotspot, else by what else is known of them", () => {
  expect(boardMark(unnamed)).toBe("Blynk Air Monitor-1W7R");
  expect(deviceLabel(unnamed)).toBe("Air Monitor (1W7R)");
  const silent = { ...unnamed, hotspot_name: null };
  expect([boardMark(silent), deviceLabel(silent)]).toEqual(["246F28AABBCC", "Air Monitor (246F28AABBCC)"]);
  const unknown = { ...silent, uid: null };
  expect([boardMark(unknown), deviceLabel(unknown)]).toEqual(["DEV1", "Air Monitor (DEV1)"]);
});

test("a name that somebody gave stands alone", () => {
  const named = { ...unnamed, name: "Living room" };
  expect(deviceLabel(named)).toBe("Living room");
  expect(boardMark({ ...named, hotspot_name: null })).toBeNull();
});

test("a hotspot without a suffix does not become one", () => {
  expect(deviceLabel({ ...unnamed, hotspot_name: "Workshop board" })).toBe("Air Monitor (246F28AABBCC)");
});
