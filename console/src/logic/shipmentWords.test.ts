import { expect, test } from "vitest";

import { changesFor, countsText, shipmentExplanation, shipmentMark, stretchesOf } from "./shipmentWords";

const NONE = { succeeded: 0, failed: 0, passed_over: 0, open: 0 };

test("counts are told in words, without the parts that are zero", () => {
  expect(countsText({ succeeded: 12, failed: 1, passed_over: 2, open: 25 })).toBe(
    "12 of 40 updated, 1 failed, 2 passed over, 25 open",
  );
  expect(countsText({ ...NONE, succeeded: 3 })).toBe("3 of 3 updated");
  expect(countsText(NONE)).toBe("No devices yet");
});

test("the stretches of the bar follow each other and leave what is open", () => {
  expect(stretchesOf({ succeeded: 5, failed: 0, passed_over: 1, open: 4 })).toEqual([
    { kind: "succeeded", from_percent: 0, width_percent: 50 },
    { kind: "passed-over", from_percent: 50, width_percent: 10 },
  ]);
  expect(stretchesOf(NONE)).toEqual([]);
});

test("a shipment that finished with failures does not look good", () => {
  const finished = { state: "finished", stage: "everyone" } as const;
  expect(shipmentMark({ ...finished, counts: { ...NONE, succeeded: 2 } }).tone).toBe("good");
  expect(shipmentMark({ ...finished, counts: { ...NONE, succeeded: 2, failed: 1 } }).tone).toBe("bad");
});

test("a running shipment says who is told", () => {
  const running = { state: "running", counts: NONE, failure_percent_max: 20, open_ended: true } as const;
  expect(shipmentMark({ ...running, stage: "canary" }).label).toMatch(/canaries/);
  expect(shipmentExplanation({ ...running, stage: "canary" })).toMatch(/half of them/);
  expect(shipmentExplanation({ ...running, stage: "everyone" })).toMatch(/join the template later/);
  expect(shipmentExplanation({ ...running, stage: "everyone", open_ended: false })).not.toMatch(/later/);
});

test("only changes that the server allows are offered", () => {
  expect(changesFor("running")).toEqual(["pause", "cancel"]);
  expect(changesFor("paused")).toEqual(["resume", "cancel"]);
  expect(changesFor("stopped")).toEqual(["resume", "cancel"]);
  expect(changesFor("cancelled")).toEqual([]);
  expect(changesFor("finished")).toEqual([]);
});
