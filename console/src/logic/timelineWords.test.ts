import { expect, it } from "vitest";

import { entryName, entryTitle, timelineFilter } from "./timelineWords";

it("asks the server for no more than was chosen", () => {
  expect(timelineFilter("", "all")).toEqual({});
  expect(timelineFilter("critical", "unresolved")).toEqual({ type: "critical", resolved: false });
  expect(timelineFilter("", "resolved")).toEqual({ resolved: true });
  expect(timelineFilter("note", "archived")).toEqual({ type: "note", archived: true });
});

it("leaves a title out that only repeats the type", () => {
  expect(entryTitle({ type: "online", title: "Online" })).toBeNull();
  expect(entryTitle({ type: "online", title: "At work" })).toBe("At work");
});

it("tells notes apart by their text", () => {
  expect(entryName({ title: "Note", description: "New battery put in." })).toBe("note “New battery put in.”");
  expect(entryName({ title: "Leak", description: "Water." })).toBe("Leak");
});
