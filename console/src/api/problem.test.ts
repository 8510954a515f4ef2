import { expect, test } from "vitest";

import { answerOf } from "./client";
import { Problem, problemFromAnswer } from "./problem";

test("a problem document becomes its title, detail and code", () => {
  const problem = problemFromAnswer(409, { title: "Name taken", code: "name_taken", detail: "Choose another." });
  expect(problem).toMatchObject({ status: 409, code: "name_taken", message: "Name taken", detail: "Choose another." });
});

test("an answer that is no problem document still says something", () => {
  expect(problemFromAnswer(502, "<html>").message).toBe("The server answered 502");
});

test("no answer at all is a problem of its own", async () => {
  await expect(answerOf(Promise.reject(new TypeError("failed to fetch")))).rejects.toMatchObject({ code: "unreachable" });
});

test("an error answer is thrown, a good one is returned", async () => {
  const refused = Promise.resolve({ error: { title: "No", code: "no" }, response: new Response(null, { status: 403 }) });
  await expect(answerOf(refused)).rejects.toBeInstanceOf(Problem);
  const good = Promise.resolve({ data: { id: "x" }, response: new Response(null, { status: 200 }) });
  await expect(answerOf(good)).resolves.toEqual({ id: "x" });
});
