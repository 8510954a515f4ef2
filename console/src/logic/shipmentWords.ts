import type { ApplyRule, DeliveryState, Shipment, ShipmentCounts, ShipmentState } from "../api/types";
import type { StatusMark } from "./deviceStatus";

/** Whether devices of such a shipment may still change their state. */
export function isMoving(state: ShipmentState): boolean {
  return state === "running" || state === "paused" || state === "stopped";
}

export function shipmentMark(shipment: Pick<Shipment, "state" | "stage" | "counts">): StatusMark {
  switch (shipment.state) {
    case "running":
      return { tone: "wait", label: shipment.stage === "canary" ? "Running, canaries only" : "Running" };
    case "paused":
      return { tone: "off", label: "Paused" };
    case "stopped":
      return { tone: "bad", label: "Stopped by itself" };
    case "cancelled":
      return { tone: "off", label: "Cancelled" };
    case "finished":
      return { tone: shipment.counts.failed > 0 ? "bad" : "good", label: "Finished" };
  }
}

/** What the state of a shipment means, and what can be done. */
export function shipmentExplanation(
  shipment: Pick<Shipment, "state" | "stage" | "counts" | "open_ended" | "failure_percent_max">,
): string {
  switch (shipment.state) {
    case "running": {
      if (shipment.stage === "canary") {
        return "Only the canaries are told now. Everyone else follows once half of them run the new firmware.";
      }
      const later = shipment.open_ended ? " Devices that join the template later get it too." : "";
      return `Devices are told when they are online; the others when they next connect.${later}`;
    }
    case "paused":
      return "No further device is told. Downloads that have begun go on to their end.";
    case "stopped":
      return (
        `More than ${shipment.failure_percent_max} % of the devices failed, so no further device is told. ` +
        "Look at the failed devices below, then resume or cancel."
      );
    case "cancelled":
      return "No further device is told. A cancelled shipment cannot be resumed; make a new one.";
    case "finished":
      return shipment.counts.failed > 0
        ? "Every device has ended; some failed. Look at them below."
        : "Every device has ended.";
  }
}

const RULE_WORDS: Record<ApplyRule, string> = {
  lower_version: "Devices that run a lower version",
  earlier_build: "Devices that run an earlier build",
  another_build: "Devices that run another build, earlier or later",
  lower_library: "Devices whose Blynk library is of a lower version",
};

export const RULES = Object.entries(RULE_WORDS).map(([value, label]) => ({ value: value as ApplyRule, label }));

export function ruleText(rule: ApplyRule): string {
  return RULE_WORDS[rule];
}

type DeliveryWords = { mark: StatusMark; detail: string };

const DELIVERY_WORDS: Record<DeliveryState, DeliveryWords> = {
  waiting: { mark: { tone: "off", label: "Waiting" }, detail: "Not told yet: it is offline, or it is not its turn." },
  request_sent: { mark: { tone: "wait", label: "Told" }, detail: "It was told where the image lies." },
  requested: { mark: { tone: "wait", label: "Downloading" }, detail: "It asked for the file." },
  downloaded: {
    mark: { tone: "wait", label: "Downloaded" },
    detail: "The whole file was delivered. It counts once the device says that it runs it.",
  },
  success: { mark: { tone: "good", label: "Updated" }, detail: "It runs the new firmware." },
  upload_failure: {
    mark: { tone: "wait", label: "Download broke off" },
    detail: "It is told again when it next connects.",
  },
  download_limit: {
    mark: { tone: "bad", label: "Out of attempts" },
    detail: "Too many downloads in 24 hours. It gets new attempts a day after the first of them.",
  },
  rollback: {
    mark: { tone: "bad", label: "Rolled back" },
    detail: "It fetched the image and came back with another version.",
  },
  type_mismatch: {
    mark: { tone: "off", label: "Passed over: other type" },
    detail: "The image is for another type of firmware.",
  },
  version_mismatch: {
    mark: { tone: "off", label: "Passed over: not needed" },
    detail: "It does not run what the shipment replaces, or has the new firmware already.",
  },
};

/** How far a shipment has come on one device, in words. */
export function deliveryWords(state: DeliveryState): DeliveryWords {
  return DELIVERY_WORDS[state];
}

/** Whether the device does not need what the shipment brings. */
export function isPassedOver(state: DeliveryState): boolean {
  return state === "type_mismatch" || state === "version_mismatch";
}

/** "12 of 40 updated, 1 failed, 2 passed over, 25 open"; parts that are zero are left out but the first. */
export function countsText(counts: ShipmentCounts): string {
  const total = totalOf(counts);
  if (total === 0) return "No devices yet";
  const rest: [count: number, word: string][] = [
    [counts.failed, "failed"],
    [counts.passed_over, "passed over"],
    [counts.open, "open"],
  ];
  const others = rest.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return [`${counts.succeeded} of ${total} updated`, ...others].join(", ");
}

type Stretch = { kind: "succeeded" | "failed" | "passed-over"; from_percent: number; width_percent: number };

/** The stretches of the progress bar, one after the other; what is left of 100 is open. */
export function stretchesOf(counts: ShipmentCounts): Stretch[] {
  const total = totalOf(counts);
  if (total === 0) return [];
  const ended: [kind: Stretch["kind"], count: number][] = [
    ["succeeded", counts.succeeded],
    ["failed", counts.failed],
    ["passed-over", counts.passed_over],
  ];
  let before = 0;
  return ended
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => {
      const stretch = { kind, from_percent: (before / total) * 100, width_percent: (count / total) * 100 };
      before += count;
      return stretch;
    });
}

export type ShipmentChange = "pause" | "resume" | "cancel";

/** What its owner may do with a shipment in this state; the server refuses everything else. */
export function changesFor(state: ShipmentState): ShipmentChange[] {
  if (state === "running") return ["pause", "cancel"];
  if (state === "paused" || state === "stopped") return ["resume", "cancel"];
  return [];
}

function totalOf(counts: ShipmentCounts): number {
  return counts.succeeded + counts.failed + counts.passed_over + counts.open;
}
