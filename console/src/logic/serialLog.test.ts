import { expect, test } from "vitest";

import { appendSerial, EMPTY_SERIAL_LOG, SERIAL_LINES_MAX, serialTone } from "./serialLog";

test("a line that arrives in pieces is one line", () => {
  const first = appendSerial(EMPTY_SERIAL_LOG, "[1] RUNN");
  expect(first).toEqual({ lines: [], rest: "[1] RUNN" });
  expect(appendSerial(first, "ING => ERROR\r\n[2] x")).toEqual({ lines: ["[1] RUNNING => ERROR"], rest: "[2] x" });
});

test("old lines leave when the log is full", () => {
  const flood = Array.from({ length: SERIAL_LINES_MAX + 5 }, (_, index) => `line ${index}\n`).join("");
  const { lines } = appendSerial(EMPTY_SERIAL_LOG, flood);
  expect(lines).toHaveLength(SERIAL_LINES_MAX);
  expect(lines[0]).toBe("line 5");
});

test("control characters and colour codes are not shown", () => {
  expect(appendSerial(EMPTY_SERIAL_LOG, "\u001b[31mred\u001b[0m\u0007\n").lines).toEqual(["red"]);
});

test("state changes and failures stand out", () => {
  expect(serialTone("[141091] RUNNING => CONNECTING_CLOUD")).toBe("transition");
  expect(serialTone("[142864] Invalid auth token")).toBe("problem");
  expect(serialTone("[142] AP IP:   192.168.4.1")).toBe("plain");
});
