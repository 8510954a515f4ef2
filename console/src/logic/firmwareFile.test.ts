import { expect, test } from "vitest";

import { sizeText, uploadName } from "./firmwareFile";

test("a long file name keeps its end, where version and ending are", () => {
  expect(uploadName("lamp.bin")).toBe("lamp.bin");
  const name = uploadName(`${"x".repeat(100)}-2.0.bin`);
  expect(name).toHaveLength(80);
  expect(name.endsWith("-2.0.bin")).toBe(true);
});

test("sizes have the unit that fits them", () => {
  expect(sizeText(512)).toBe("512 B");
  expect(sizeText(40_000)).toBe("40.0 kB");
  expect(sizeText(999_960)).toBe("1.0 MB");
  expect(sizeText(1_234_567)).toBe("1.2 MB");
});
