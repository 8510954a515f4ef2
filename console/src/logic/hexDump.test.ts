import { expect, test } from "vitest";

import { hexRows } from "./hexDump";

test("erased rows become one line and written ones stay", () => {
  const image = new Uint8Array(64).fill(0xff);
  image.set(new TextEncoder().encode("Home\u0000"), 16);
  expect(hexRows(image)).toEqual([
    { kind: "repeated", offset: 0, rowCount: 2, byte: "FF" },
    { kind: "bytes", offset: 16, hex: ["48", "6F", "6D", "65", "00", "FF", "FF", "FF"], text: "Home····" },
    { kind: "repeated", offset: 24, rowCount: 5, byte: "FF" },
  ]);
});

test("rows of different filler bytes are told apart", () => {
  const image = new Uint8Array(16);
  image.fill(0xff, 8);
  expect(hexRows(image).map((row) => row.kind === "repeated" && row.byte)).toEqual(["00", "FF"]);
});

test("a last row that is not full shows all its bytes", () => {
  expect(hexRows(new Uint8Array([0xff, 0xff, 0xff]))).toEqual([
    { kind: "bytes", offset: 0, hex: ["FF", "FF", "FF"], text: "···" },
  ]);
});
