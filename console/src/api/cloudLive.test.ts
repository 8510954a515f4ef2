import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, test } from "vitest";

import { readAgain, withPin } from "./cloudLive";

const early = "2026-11-22T12:00:00.000Z";
const late = "2026-11-22T12:00:01.000Z";

test("a new pin finds its place by number", () => {
  const pins = withPin([{ pin: 1, value: "a", at: early }, { pin: 9, value: "b", at: early }], { pin: 4, value: "c", at: late });
  expect(pins.map(({ pin }) => pin)).toEqual([1, 4, 9]);
});

test("a value that comes late does not replace a newer one", () => {
  const pins = [{ pin: 1, value: "new", at: late }];
  expect(withPin(pins, { pin: 1, value: "old", at: early })).toBe(pins);
});

/** A list that somebody looks at, whose requests the test answers in the order in which they were sent. */
function openList() {
  const queries = new QueryClient();
  const answers: ((answer: string) => void)[] = [];
  const list = new QueryObserver(queries, {
    queryKey: ["devices"],
    queryFn: () => new Promise<string>((resolve) => answers.push(resolve)),
  });
  list.subscribe(() => undefined);
  return { queries, answers, list };
}

/** Lets everything run that waits for no answer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("an event during the first request is followed by a second request", async () => {
  const { queries, answers, list } = openList();
  readAgain(queries, ["devices"]);
  expect(answers).toHaveLength(1);
  answers[0]?.("before the event");
  await settle();
  expect(answers).toHaveLength(2);
  answers[1]?.("after the event");
  await settle();
  expect(list.getCurrentResult().data).toBe("after the event");
  expect(answers).toHaveLength(2);
});

test("an event during a later request begins it anew", async () => {
  const { queries, answers, list } = openList();
  answers[0]?.("at the first look");
  await settle();
  readAgain(queries, ["devices"]);
  readAgain(queries, ["devices"]);
  expect(answers).toHaveLength(3);
  answers[2]?.("after the event");
  answers[1]?.("before the event");
  await settle();
  expect(list.getCurrentResult().data).toBe("after the event");
});
