import type { ProvisioningSession } from "../api/types";
import type { StatusMark } from "./deviceStatus";

/** Where a setup stands, at `now_ms`: an open one whose time is over has expired, even before the server says so. */
export function sessionMark(
  session: Pick<ProvisioningSession, "state" | "expires_at">,
  now_ms: number,
): StatusMark {
  if (session.state === "claimed") return { tone: "good", label: "Done" };
  if (session.state === "cancelled") return { tone: "off", label: "Cancelled" };
  if (session.state === "expired" || Date.parse(session.expires_at) <= now_ms) return { tone: "bad", label: "Expired" };
  return { tone: "wait", label: "Waiting for the board" };
}
