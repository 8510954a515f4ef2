import createClient from "openapi-fetch";

import type { paths as BenchPaths } from "./bench";
import type { paths as CloudPaths } from "./cloud";
import { problemFromAnswer, problemWithoutAnswer } from "./problem";

export const cloud = createClient<CloudPaths>();
export const bench = createClient<BenchPaths>();

type Answer<Data> = { data?: Data; error?: unknown; response: Response };

/**
 * Returns the body of a good answer.
 *
 * @throws {Problem} for an error answer, and when no answer came
 */
export async function answerOf<Data>(request: Promise<Answer<Data>>): Promise<Data> {
  let answer: Answer<Data>;
  try {
    answer = await request;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw problemWithoutAnswer();
  }
  if (!answer.response.ok) throw problemFromAnswer(answer.response.status, answer.error);
  return answer.data as Data;
}
