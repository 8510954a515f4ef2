import { expect, it } from "vitest";

import type { ConnectionLifecycle } from "../api/types";
import { missingInStatus, NEW_STATUS, statusesOf, statusFormOf, statusOf, takesAnother, waitText, withStatus } from "./lifecycleForm";

const nobody = { email: false, webhooks: false, limit_period_s: null, after_count: 1 };
const status = (name: string, wait_s: number) => ({
  name,
  color: null,
  wait_s,
  description: "",
  show_on_timeline: true,
  notifying: nobody,
});

const LIFECYCLE: ConnectionLifecycle = {
  online: { ...status("Online", 0), color: "#16794C" },
  offline: status("Offline", 60),
  custom: [{ ...status("Inactive", 86_400), notifying: { ...nobody, email: true } }],
  offline_ignore_s: 300,
  online_when_data_is_reported: true,
};
const names = (lifecycle: ConnectionLifecycle) => statusesOf(lifecycle).map(({ name }) => name);

it("gives back each status the form was filled from", () => {
  for (const one of statusesOf(LIFECYCLE)) expect(statusOf(statusFormOf(one))).toEqual(one);
});

it("puts a status in its place and leaves the rest as it was", () => {
  const changed = withStatus(LIFECYCLE, 1, status("Away", 30));
  expect(names(changed)).toEqual(["Online", "Away", "Inactive"]);
  expect(changed.offline_ignore_s).toBe(300);
});

it("adds a status behind the last and takes a custom one away", () => {
  const two = withStatus(LIFECYCLE, 3, status("Lost", 600));
  expect(names(two)).toEqual(["Online", "Offline", "Inactive", "Lost"]);
  expect([takesAnother(LIFECYCLE), takesAnother(two)]).toEqual([true, false]);
  expect(names(withStatus(two, 2, null))).toEqual(["Online", "Offline", "Lost"]);
});

it("says what a status lacks", () => {
  const form = { ...NEW_STATUS, name: "Lost" };
  expect(missingInStatus(form)).toBeNull();
  expect(missingInStatus(NEW_STATUS)).toContain("a name");
  expect(missingInStatus({ ...form, wait: "" })).toContain("seconds");
  expect(missingInStatus({ ...form, color: "green" })).toContain("colour");
});

it("says when a status applies", () => {
  expect(waitText(0, { wait_s: 0 })).toBe("when it connects");
  expect(waitText(1, { wait_s: 0 })).toBe("when it disconnects");
  expect(waitText(1, { wait_s: 60 })).toBe("1 min after it disconnects");
  expect(waitText(2, { wait_s: 86_400 })).toBe("1 d after the status before");
});
