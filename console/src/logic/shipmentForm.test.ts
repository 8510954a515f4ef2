import { expect, test } from "vitest";

import type { FirmwareImage, Template } from "../api/types";
import { missingInShipment, newShipmentForm, shipmentOf, withImage } from "./shipmentForm";

const IMAGE: FirmwareImage = {
  id: "FW1",
  file_name: "lamp.bin",
  kind: "TMPLlamp",
  version: "2.0",
  build: "Nov 22 2026 10:00:00",
  library: "1.3.2",
  size_bytes: 40_000,
  sha256: "00",
  created_at: "2026-11-22T10:00:00.000Z",
};

const TEMPLATES: Template[] = ["TMPLdoor", "TMPLlamp"].map((id) => ({
  id,
  name: id,
  created_at: "2026-11-01T10:00:00.000Z",
  reclaim: "open",
  gateway_api: false,
}));

const READY = withImage(newShipmentForm(TEMPLATES), IMAGE, TEMPLATES);

test("an image proposes the template that is its type, and a name", () => {
  expect(READY).toMatchObject({ firmwareId: "FW1", templateId: "TMPLlamp", name: "Version 2.0" });
  expect(missingInShipment(READY, IMAGE)).toBeNull();
});

test("an image of an unknown type leaves the template to its owner", () => {
  const form = withImage(newShipmentForm(TEMPLATES), { ...IMAGE, kind: "something" }, TEMPLATES);
  expect(form.templateId).toBeNull();
  expect(missingInShipment(form, IMAGE)).toMatch(/template/);
});

test("the only template needs no choice", () => {
  expect(newShipmentForm(TEMPLATES.slice(0, 1)).templateId).toBe("TMPLdoor");
  expect(newShipmentForm(TEMPLATES).templateId).toBeNull();
  expect(newShipmentForm([]).templateId).toBeNull();
});

test("another image keeps the typed name, and drops devices of another template", () => {
  const before = { ...READY, name: "Autumn", deviceIds: ["dev_01"] };
  expect(withImage(before, { ...IMAGE, id: "FW2", version: "2.1" }, TEMPLATES)).toMatchObject({
    firmwareId: "FW2",
    name: "Autumn",
    deviceIds: ["dev_01"],
  });
  expect(withImage(before, { ...IMAGE, kind: "TMPLdoor" }, TEMPLATES).deviceIds).toEqual([]);
});

test("what is sent names devices or a share, never both", () => {
  const filled = { ...READY, percent: "25", deviceIds: ["dev_01"] };
  expect(shipmentOf({ ...filled, audience: "all" })).toMatchObject({ device_ids: null, percent: null });
  expect(shipmentOf({ ...filled, audience: "share" })).toMatchObject({ device_ids: null, percent: 25 });
  expect(shipmentOf({ ...filled, audience: "chosen" })).toMatchObject({ device_ids: ["dev_01"], percent: null });
});

test("no canaries are sent as none, and a failure limit of zero stays zero", () => {
  expect(shipmentOf({ ...READY, failurePercentMax: 0 })).toMatchObject({ canary_percent: null, failure_percent_max: 0 });
  expect(shipmentOf({ ...READY, canaryPercent: 5 }).canary_percent).toBe(5);
});

test("a form that cannot be sent says what is missing", () => {
  expect(missingInShipment(newShipmentForm(TEMPLATES), undefined)).toMatch(/image/);
  expect(missingInShipment({ ...READY, name: " " }, IMAGE)).toMatch(/name/);
  expect(missingInShipment({ ...READY, audience: "share", percent: "" }, IMAGE)).toMatch(/share/);
  expect(missingInShipment({ ...READY, audience: "chosen" }, IMAGE)).toMatch(/device/);
  expect(missingInShipment({ ...READY, canaryPercent: 101 }, IMAGE)).toMatch(/canaries/);
  expect(missingInShipment({ ...READY, failurePercentMax: "" }, IMAGE)).toMatch(/limit/);
  expect(missingInShipment({ ...READY, attemptsMax: 0 }, IMAGE)).toMatch(/attempts/);
});

test("a rule that no device could meet is refused before it is sent", () => {
  expect(missingInShipment({ ...READY, rule: "earlier_build" }, { ...IMAGE, build: null })).toMatch(/built/);
  expect(missingInShipment({ ...READY, rule: "lower_library" }, { ...IMAGE, library: null })).toMatch(/library/);
  expect(missingInShipment({ ...READY, rule: "another_build" }, { ...IMAGE, build: null })).toBeNull();
});
