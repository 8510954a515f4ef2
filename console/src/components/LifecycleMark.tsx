import { useQuery } from "@tanstack/react-query";

import { statusQuery } from "../api/queries";
import type { Device, LifecycleDeviceStatus } from "../api/types";
import { deviceStatus } from "../logic/deviceStatus";
import { absoluteTime, lastingText } from "../logic/timeText";
import "../styles/timeline.css";
import { useNow } from "./useNow";

/** Colours of statuses for which the template sets none. */
const PLAIN_COLORS: Record<LifecycleDeviceStatus["kind"], string> = {
  online: "var(--good)",
  offline: "transparent",
  custom: "var(--ink-soft)",
};

/**
 * The status by the template's connection lifecycle, and since when. It stands beside the plain online or offline, which
 * knows no waits; its name is left out where that says the same.
 */
export function LifecycleMark({ device }: { device: Device }) {
  const now_ms = useNow(5_000);
  const status = useQuery(statusQuery(device.id)).data;
  if (!status || device.release) return null;
  const saysMore = status.name !== deviceStatus(device).label;
  if (!saysMore && !status.since) return null;
  return (
    <span className="lifecycle-status" data-testid="lifecycle-status" title="The status by the template’s connection lifecycle">
      {(saysMore || status.color) && (
        <span
          className="lifecycle-dot"
          aria-hidden="true"
          style={{ background: status.color ?? PLAIN_COLORS[status.kind] }}
        />
      )}
      {saysMore && <span className="break">{status.name}</span>}
      {status.since && (
        <time className="soft nowrap" dateTime={status.since} title={absoluteTime(status.since)}>
          for {lastingText(now_ms - Date.parse(status.since))}
        </time>
      )}
    </span>
  );
}
