import { expect, test } from "vitest";

import type { Release } from "../api/types";
import { canRelease, releaseAnswer, releaseSteps } from "./releaseAnswer";

function release(changes: Partial<Release>): Release {
  return {
    state: "pending",
    requested_at: "2026-11-22T12:00:00.000Z",
    finished_at: null,
    safe_to_ship: false,
    last_seen_at: null,
    attempts: 0,
    explanation: "Not safe to ship yet: the board was last seen yesterday; it is wiped when it next connects.",
    ...changes,
  };
}

test("a waiting release reads as one sentence", () => {
  const answer = releaseAnswer(release({}));
  expect(`${answer?.headline} ${answer?.explanation}`).toBe(
    "Not safe to ship yet, because the board was last seen yesterday; it is wiped when it next connects.",
  );
});

test("only the server's word makes a board safe to ship", () => {
  expect(releaseAnswer(release({ state: "inferred", safe_to_ship: false }))?.tone).toBe("waiting");
  const answer = releaseAnswer(release({ safe_to_ship: true, explanation: "Safe to ship: the board confirmed it." }));
  expect(answer).toEqual({ tone: "safe", headline: "Safe to ship", explanation: "The board confirmed it." });
});

test("no release, no answer", () => {
  expect(releaseAnswer(null)).toBeNull();
});

test.each([
  ["pending", ["done", "current", "ahead"]],
  ["sent", ["done", "done", "current"]],
  ["inferred", ["done", "done", "done"]],
  ["confirmed", ["done", "done", "done"]],
] as const)("a release that is %s stands at the right step", (state, expected) => {
  expect(releaseSteps(release({ state })).map((step) => step.state)).toEqual(expected);
});

test("an order that nothing shows to have been obeyed is said to be sent again", () => {
  const sentDetail = (changes: Partial<Release>) => releaseSteps(release(changes))[1]?.detail;
  expect(sentDetail({ state: "pending", attempts: 0 })).toBe("Sent as soon as the board connects.");
  const detail = sentDetail({ state: "pending", attempts: 2 });
  expect(detail).toBe("Sent 2 times. Nothing shows that the board obeyed; it is sent again when the board connects.");
  expect(sentDetail({ state: "sent", attempts: 1 })).toBe("Sent once.");
});

test("an inferred wipe is not said to come from a board that can give no receipt", () => {
  expect(releaseSteps(release({ state: "inferred" }))[2]?.detail).toContain("It gave no receipt.");
});

test("a device is released once", () => {
  expect(canRelease({ ownership: "owned" })).toBe(true);
  expect(canRelease({ ownership: "releasing" })).toBe(false);
  expect(canRelease({ ownership: "released" })).toBe(false);
});
