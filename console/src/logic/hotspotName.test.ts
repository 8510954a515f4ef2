import { expect, test } from "vitest";

import { expectedHotspotName } from "./hotspotName";

// The cut names are the worked examples of reference/edgent-device.md §4.
test.each([
  ["edgent-old", "Air Monitor", "Blynk Air Monitor-····"],
  ["edgent-new", "Air Monitor", "Blynk Air Monitor-····"],
  ["edgent-old", "Industrial Water Meter Pro", "Blynk Industrial Water Met-····"],
  ["edgent-new", "Industrial Water Meter Pro", "Blynk Industrial Water M-····"],
] as const)("%s cuts the template name “%s” to fit", (family, template, expected) => {
  expect(expectedHotspotName(family, template)).toBe(expected);
});

test("new Edgent leaves out a template name that equals the prefix, old Edgent repeats it", () => {
  expect(expectedHotspotName("edgent-new", "Acme", "Acme")).toBe("Acme-····");
  expect(expectedHotspotName("edgent-old", "Acme", "Acme")).toBe("Acme Acme-····");
});

test("a name is cut between characters, not inside one", () => {
  const name = expectedHotspotName("rehome", "Lüftungsanlage Größe");
  expect(name).toBe("Blynk Lüftungsanlage Grö-····");
});
