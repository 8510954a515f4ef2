import { expect, test } from "vitest";

import { ledFrames } from "./ledPattern";

test("a blink is lit for its first time and dark for its second", () => {
  const frames = ledFrames({ pattern: "blink", times_ms: [50, 450] }, 1);
  expect(frames?.duration_ms).toBe(500);
  expect(frames?.opacities.map(({ offset }) => offset)).toEqual([0, 0.1, 0.1, 1]);
  expect(frames?.opacities.map(({ opacity }) => opacity > 0.5)).toEqual([true, true, false, false]);
});

test("bench time that runs faster blinks faster, but never so fast that it flickers", () => {
  const wave = { pattern: "wave", times_ms: [5000] } as const;
  expect(ledFrames({ ...wave, times_ms: [...wave.times_ms] }, 5)?.duration_ms).toBe(1000);
  expect(ledFrames({ ...wave, times_ms: [...wave.times_ms] }, 100)?.duration_ms).toBe(160);
});

test("a steady or dark LED does not move", () => {
  expect(ledFrames({ pattern: "on", times_ms: [] }, 1)).toBeNull();
  expect(ledFrames({ pattern: "off", times_ms: [] }, 1)).toBeNull();
});
