import type { Device, Release } from "../api/types";

export type ReleaseAnswer = {
  tone: "safe" | "waiting";
  headline: string;
  /** Why, in the server's words. */
  explanation: string;
};

/** The plain answer to "may this board leave the house?"; `null` while nobody has asked for a release. */
export function releaseAnswer(release: Release | null | undefined): ReleaseAnswer | null {
  if (!release) return null;
  const reason = release.explanation.replace(/^(not )?safe to ship( yet)?\s*[:,]\s*/i, "");
  if (release.safe_to_ship) {
    return { tone: "safe", headline: "Safe to ship", explanation: reason.replace(/^./, (letter) => letter.toUpperCase()) };
  }
  return { tone: "waiting", headline: "Not safe to ship yet,", explanation: `because ${reason}` };
}

export type ReleaseStep = { name: string; detail: string; state: "done" | "current" | "ahead" };

/** The way of a release: asked, order sent, wiped. */
export function releaseSteps(release: Release): ReleaseStep[] {
  const isFinished = release.state === "inferred" || release.state === "confirmed";
  const isSent = isFinished || release.state === "sent";
  return [
    { name: "Control and data ended", detail: "The token no longer opens anything.", state: "done" },
    {
      name: "Wipe order sent",
      detail: isSent ? attemptsText(release.attempts) : waitingText(release.attempts),
      state: isSent ? "done" : "current",
    },
    {
      name: "Board wiped",
      detail: wipedText(release),
      state: isFinished ? "done" : isSent ? "current" : "ahead",
    },
  ];
}

/** Whether releasing makes sense for this device now. */
export function canRelease(device: Pick<Device, "ownership">): boolean {
  return device.ownership === "owned" || device.ownership === "reserved";
}

function wipedText(release: Release): string {
  if (release.state === "confirmed") return "The board proved it with a signed receipt.";
  if (release.state === "inferred") return "The board fell silent after the order, as a wiped one does. It gave no receipt.";
  if (release.state === "sent") return "Waiting for the board to erase itself.";
  return "Follows the order.";
}

/** Of an order that is not known to have been obeyed. */
function waitingText(attempts: number): string {
  if (attempts === 0) return "Sent as soon as the board connects.";
  return `${attemptsText(attempts)} Nothing shows that the board obeyed; it is sent again when the board connects.`;
}

function attemptsText(attempts: number): string {
  return attempts <= 1 ? "Sent once." : `Sent ${attempts} times.`;
}
