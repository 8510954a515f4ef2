import { expect, test } from "vitest";

import { matchesSearch } from "./searchText";

test("every word must occur somewhere, in any case and order", () => {
  const texts = ["Greenhouse north", "Air Monitor", null];
  expect(matchesSearch("NORTH air", texts)).toBe(true);
  expect(matchesSearch("north water", texts)).toBe(false);
});
