import { expect, test } from "vitest";

import { FollowedList } from "./followedList";

type Board = { id: string; state: string };

function answerLater() {
  let answer: (items: Board[]) => void = () => undefined;
  const answered = new Promise<{ items: Board[] }>((resolve) => {
    answer = (items) => resolve({ items });
  });
  return { answer, request: () => answered };
}

test("a change replaces, adds or removes one thing", () => {
  const boards = new FollowedList<Board>();
  const list = { items: [{ id: "a", state: "OFF" }] };
  expect(boards.follow(list, { id: "a", state: "RUNNING" })).toEqual({ items: [{ id: "a", state: "RUNNING" }] });
  expect(boards.follow(list, { id: "b", state: "OFF" })?.items).toHaveLength(2);
  expect(boards.follow(list, { id: "a", removed: true })?.items).toEqual([]);
  expect(boards.follow(undefined, { id: "a", state: "OFF" })).toBeUndefined();
});

test("an answer that is older than a change does not undo it", async () => {
  const boards = new FollowedList<Board>();
  const { answer, request } = answerLater();
  const reading = boards.read(request);
  boards.follow(undefined, { id: "a", state: "WAIT_CONFIG" });
  boards.follow(undefined, { id: "b", removed: true });
  answer([{ id: "a", state: "OFF" }, { id: "b", state: "OFF" }]);
  expect((await reading).items).toEqual([{ id: "a", state: "WAIT_CONFIG" }]);
});

test("a change before the list was asked for is in the answer already", async () => {
  const boards = new FollowedList<Board>();
  boards.follow(undefined, { id: "a", state: "OFF" });
  const list = await boards.read(() => Promise.resolve({ items: [{ id: "a", state: "RUNNING" }] }));
  expect(list.items).toEqual([{ id: "a", state: "RUNNING" }]);
});

test("a failed reading keeps no changes for the next one", async () => {
  const boards = new FollowedList<Board>();
  const failing = boards.read(() => Promise.reject(new Error("no answer")));
  boards.follow(undefined, { id: "a", state: "OFF" });
  await expect(failing).rejects.toThrow("no answer");
  const list = await boards.read(() => Promise.resolve({ items: [{ id: "a", state: "RUNNING" }] }));
  expect(list.items).toEqual([{ id: "a", state: "RUNNING" }]);
});
