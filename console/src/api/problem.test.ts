import { expect, test } from "vitest";

import { answerOf } from "./client";
import { Problem, problemFromAnswer } from "./problem";

test("a problem document becomes its title, detail and code", () => {
  const problem = problemFromAnswer(409, { title: "Name taken", code: "name_taken", detail: "Choose another." });
  expect(problem).toMatchObject({ status: 409, code: "name_taken", message: "Name taken", detail: "Choose another." });
});

test("what a delete would leave behind comes as a list, and the API's own instruction stays apart from it", () => {
  const detail = "This would be left behind: A board. To go on, repeat the request with `confirm` set to the name.";
  const asked = problemFromAnswer(409, { code: "confirmation_required", detail, left_behind: ["A board.", 7] });
  expect(asked.leftBehind).toEqual(["A board."]);
  expect(problemFromAnswer(409, { code: "name_taken" }).leftBehind).toEqual([]);
});

test("a sign-in link that is over is not blamed on a password", () => {
  expect(problemFromAnswer(401, { code: "sign_in_link_over" }).advice).toBeNull();
  expect(problemFromAnswer(401, { code: "invalid_credentials" }).advice).toContain("password");
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
