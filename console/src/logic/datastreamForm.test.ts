import { expect, test } from "vitest";

import type { TemplateDatastream } from "../api/types";
import { formOf, missingIn, newForm, rangeText, settingsOf } from "./datastreamForm";

const STORED: TemplateDatastream = {
  id: 7,
  pin: 5,
  settings: {
    name: "Temperature",
    alias: "Warmth",
    type: "double",
    min: -40,
    max: 85,
    decimals: "#.##",
    enum_rows: [],
    enum_fallback: null,
    default: "20",
    unit: "C",
    sync_on_connect: true,
    save_raw_data: true,
    invalidate: { after_s: 90, shows: "default" },
    hidden_from_http: false,
  },
};

test("what was stored comes back out of the form unchanged", () => {
  expect(settingsOf(formOf(STORED))).toEqual(STORED.settings);
});

test("a change of type sends nothing that the new type does not have", () => {
  const sent = settingsOf({ ...formOf(STORED), type: "string" });
  expect(sent).toMatchObject({ type: "string", min: null, max: null, decimals: null, enum_rows: [] });
  const listed = settingsOf({ ...newForm([]), name: "Mode", type: "enum", min: "3" });
  expect(listed).toMatchObject({ min: null, enum_rows: [{ number: 0, text: "Off" }, { number: 1, text: "On" }] });
});

test("a boolean has no limits and is off or on from the beginning, or nothing", () => {
  const sent = settingsOf({ ...formOf(STORED), type: "boolean" });
  expect(sent).toMatchObject({ type: "boolean", min: null, max: null, decimals: null, default: null });
  expect(settingsOf({ ...newForm([]), name: "Switch", type: "boolean", defaultValue: "1" }).default).toBe("1");
});

test("the first free pin is proposed", () => {
  expect(newForm([0, 1, 3]).pin).toBe(2);
});

test("a form that cannot be sent says what is missing", () => {
  const form = { ...newForm([]), name: "Level" };
  expect(missingIn(form)).toBeNull();
  expect(missingIn({ ...form, pin: "" })).toMatch(/pin/);
  expect(missingIn({ ...form, name: " " })).toMatch(/name/);
  expect(missingIn({ ...form, min: "low" })).toMatch(/numbers/);
  expect(missingIn({ ...form, type: "enum", enumRows: [{ number: "0.5", text: "Half" }] })).toMatch(/whole number/);
  expect(missingIn({ ...form, invalidates: true, invalidateAfter: "" })).toMatch(/seconds/);
});

test("limits are told in a few words", () => {
  expect(rangeText(STORED.settings)).toBe("-40 to 85 C");
  expect(rangeText({ ...STORED.settings, max: null, unit: null })).toBe("from -40");
  expect(rangeText({ name: "Mode", type: "enum", enum_rows: [{ number: 0, text: "Off" }] })).toBe("Off");
  expect(rangeText({ name: "Text", type: "string" })).toBe("");
});
