import { expect, test } from "vitest";

import { sizeText, tooLargeText } from "./fileSize";

test("sizes have the unit that fits them", () => {
  expect(sizeText(512)).toBe("512 B");
  expect(sizeText(40_000)).toBe("40.0 kB");
  expect(sizeText(999_960)).toBe("1.0 MB");
  expect(sizeText(1_234_567)).toBe("1.2 MB");
});

test("a file that the server would not take is said to be too large, with both sizes", () => {
  expect(tooLargeText({ name: "lamp.bin", size: 67_108_864 }, 67_108_864)).toBeNull();
  expect(tooLargeText({ name: "lamp.bin", size: 70_000_000 }, 67_108_864)).toBe(
    "lamp.bin has 70.0 MB; the server takes at most 67.1 MB.",
  );
});
