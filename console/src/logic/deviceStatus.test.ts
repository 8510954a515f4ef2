import { expect, test } from "vitest";

import { deviceStatus } from "./deviceStatus";

const seen = { last_seen_at: "2026-11-22T12:00:00.000Z", release: null };

test("a device says what matters most about it", () => {
  expect(deviceStatus({ ...seen, ownership: "owned", online: true }).label).toBe("Online");
  expect(deviceStatus({ ...seen, ownership: "owned", online: false }).label).toBe("Offline");
  expect(deviceStatus({ ...seen, ownership: "releasing", online: true }).label).toBe("Being released");
  expect(deviceStatus({ ownership: "reserved", online: false, last_seen_at: null, release: null }).label).toBe(
    "Never connected",
  );
});
