/** Lines of a serial log that the page keeps; older ones leave at the top. */
export const SERIAL_LINES_MAX = 2000;

export type SerialLog = { lines: string[]; /** Text after the last line break. */ rest: string };

export const EMPTY_SERIAL_LOG: SerialLog = { lines: [], rest: "" };

/** Adds a chunk, which may begin or end in the middle of a line. */
export function appendSerial(log: SerialLog, chunk: string): SerialLog {
  const parts = (log.rest + chunk).split(/\r\n|\n/);
  const rest = parts.pop() ?? "";
  const lines = [...log.lines, ...parts.map(printable)].slice(-SERIAL_LINES_MAX);
  return { lines, rest };
}

export type SerialTone = "transition" | "problem" | "plain";

/** How a line is coloured: state changes and failures are what a reader looks for. */
export function serialTone(line: string): SerialTone {
  if (/\b[A-Z_]+ => [A-Z_]+\b/.test(line)) return "transition";
  if (/invalid auth|refused|error|fail|lost|not found|timeout/i.test(line)) return "problem";
  return "plain";
}

function printable(line: string): string {
  return line.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "").replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
}
