import { expect, test } from "vitest";

import { uploadName } from "./firmwareFile";

test("a long file name keeps its end, where version and ending are", () => {
  expect(uploadName("lamp.bin")).toBe("lamp.bin");
  const name = uploadName(`${"x".repeat(100)}-2.0.bin`);
  expect(name).toHaveLength(80);
  expect(name.endsWith("-2.0.bin")).toBe(true);
});
