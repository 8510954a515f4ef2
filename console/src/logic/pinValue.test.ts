import { expect, test } from "vitest";

import { editedValue, valueText } from "./pinValue";

test("a pin with several values keeps them when it is edited", () => {
  expect(valueText(["52.52", "13.40"])).toBe("52.52, 13.40");
  expect(editedValue("52.53, 13.40", ["52.52", "13.40"])).toEqual(["52.53", "13.40"]);
});

test("a comma in a single value is part of it", () => {
  expect(editedValue("a, b", "x")).toBe("a, b");
});
