/** A request that did not work: what went wrong, and what a person can do next. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    /** Stable machine code, for example `device_not_found`. */
    readonly code: string,
    title: string,
    /** What went wrong this time. */
    readonly detail: string,
    /** What to do about it, when there is more to say than the server did. */
    readonly advice: string | null,
    /** What a delete without wiping would leave behind, where the server asks to confirm it. */
    readonly leftBehind: string[] = [],
  ) {
    super(title);
  }
}

type ProblemDocument = { title?: unknown; code?: unknown; detail?: unknown; left_behind?: unknown };

/** Reads an error answer, which is a problem document unless something between us and the server wrote it. */
export function problemFromAnswer(status: number, body: unknown): Problem {
  const fields: ProblemDocument = typeof body === "object" && body !== null ? body : {};
  const code = textOr(fields.code, `http_${status}`);
  const title = textOr(fields.title, `The server answered ${status}`);
  return new Problem(status, code, title, textOr(fields.detail, ""), adviceFor(status, code), texts(fields.left_behind));
}

/** A request that got no answer at all. */
export function problemWithoutAnswer(): Problem {
  return new Problem(
    0,
    "unreachable",
    "The server does not answer",
    "",
    "Check that it is still running and that this computer can reach it. This page tries again by itself.",
  );
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem(0, "page_failed", "Something went wrong in this page", detail, "Reload the page and try again.");
}

function adviceFor(status: number, code: string): string | null {
  if (code === "invalid_credentials") return "Check the password, or use the sign-in link that the server printed when it started.";
  if (status === 404) return "It may have been removed in the meantime. Go back to the list.";
  if (status === 429) return "Wait a minute, then try again.";
  if (status === 503 || status === 507) return "The server cannot store anything right now. Look at its log and at the free disk space.";
  if (status >= 500) return "Try again; if it happens again, look at the server's log.";
  return null;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === "string" && value !== "" ? value : fallback;
}
