import type { ApplyRule, FirmwareImage, NewShipment, Template } from "../api/types";

export type Audience = "all" | "share" | "chosen";

export type ShipmentForm = {
  name: string;
  firmwareId: string | null;
  templateId: string | null;
  audience: Audience;
  percent: number | string;
  deviceIds: string[];
  canaryPercent: number | string;
  rule: ApplyRule;
  failurePercentMax: number | string;
  attemptsMax: number | string;
};

export const AUDIENCES: { value: Audience; label: string }[] = [
  { value: "all", label: "All devices" },
  { value: "share", label: "A share" },
  { value: "chosen", label: "Chosen ones" },
];

/** A form as the server would fill it in; the number fields show its defaults. The only template needs no choice. */
export function newShipmentForm(templates: Template[]): ShipmentForm {
  return {
    name: "",
    firmwareId: null,
    templateId: templates.length === 1 ? (templates[0]?.id ?? null) : null,
    audience: "all",
    percent: 10,
    deviceIds: [],
    canaryPercent: "",
    rule: "lower_version",
    failurePercentMax: 20,
    attemptsMax: 3,
  };
}

/** Chooses the image, and with it the template that is the image's type, when there is one. */
export function withImage(form: ShipmentForm, image: FirmwareImage, templates: Template[]): ShipmentForm {
  const fitting = templates.find(({ id }) => id === image.kind)?.id ?? null;
  const templateId = fitting ?? form.templateId;
  return {
    ...form,
    firmwareId: image.id,
    templateId,
    deviceIds: templateId === form.templateId ? form.deviceIds : [],
    name: form.name.trim() === "" ? `Version ${image.version}`.slice(0, 80) : form.name,
  };
}

/** Says what keeps the form from being sent; `null` when nothing does. */
export function missingInShipment(form: ShipmentForm, image: FirmwareImage | undefined): string | null {
  if (!form.firmwareId || !image) return "Choose an image.";
  if (!form.templateId) return "Choose the template whose devices get it.";
  if (form.name.trim() === "") return "Give the shipment a name.";
  if (form.audience === "share" && !isWithin(form.percent, 1, 100)) return "The share must be between 1 and 100 percent.";
  if (form.audience === "chosen" && form.deviceIds.length === 0) return "Choose at least one device.";
  if (form.canaryPercent !== "" && !isWithin(form.canaryPercent, 1, 100)) {
    return "The canaries must be between 1 and 100 percent, or nothing.";
  }
  if (form.rule === "earlier_build" && !image.build) {
    return "This image does not say when it was built; choose another rule.";
  }
  if (form.rule === "lower_library" && !image.library) {
    return "This image does not say which library is in it; choose another rule.";
  }
  if (!isWithin(form.failurePercentMax, 0, 100)) return "The failure limit must be between 0 and 100 percent.";
  if (!isWithin(form.attemptsMax, 1, 100)) return "A device must have between 1 and 100 attempts.";
  return null;
}

/** What is sent for a form in which nothing is missing. */
export function shipmentOf(form: ShipmentForm): NewShipment {
  return {
    name: form.name.trim(),
    template_id: form.templateId ?? "",
    firmware_id: form.firmwareId ?? "",
    device_ids: form.audience === "chosen" ? form.deviceIds : null,
    percent: form.audience === "share" ? Number(form.percent) : null,
    canary_percent: form.canaryPercent === "" ? null : Number(form.canaryPercent),
    rule: form.rule,
    failure_percent_max: Number(form.failurePercentMax),
    attempts_max: Number(form.attemptsMax),
  };
}

function isWithin(value: number | string, min: number, max: number): boolean {
  const number = value === "" ? Number.NaN : Number(value);
  return Number.isInteger(number) && number >= min && number <= max;
}
