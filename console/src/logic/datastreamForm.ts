import type { DatastreamSettings, TemplateDatastream } from "../api/types";
import { valueText } from "./pinValue";

export type DatastreamType = DatastreamSettings["type"];

/** A datastream as it stands in the fields of the form: everything a person types is text. */
export type DatastreamForm = {
  pin: number | string;
  name: string;
  alias: string;
  type: DatastreamType;
  min: string;
  max: string;
  decimals: string;
  enumRows: { number: string; text: string }[];
  enumFallback: string;
  defaultValue: string;
  unit: string;
  syncOnConnect: boolean;
  saveRawData: boolean;
  invalidates: boolean;
  invalidateAfter: number | string;
  invalidShows: "nothing" | "default";
  hiddenFromHttp: boolean;
};

export const DATASTREAM_TYPES: { value: DatastreamType; label: string }[] = [
  { value: "integer", label: "Integer" },
  { value: "double", label: "Double" },
  { value: "string", label: "String" },
  { value: "enum", label: "Enum" },
  { value: "location", label: "Location" },
  { value: "boolean", label: "Boolean" },
];

export const DECIMAL_FORMS = ["#", "#.#", "#.##", "#.###", "#.####", "#.#####", "#.0", "#.00", "#.000", "#.0000", "#.00000"];

/** An empty form; the first free pin is proposed. */
export function newForm(taken: number[]): DatastreamForm {
  let pin = 0;
  while (taken.includes(pin)) pin += 1;
  return {
    pin,
    name: "",
    alias: "",
    type: "integer",
    min: "",
    max: "",
    decimals: "",
    enumRows: [
      { number: "0", text: "Off" },
      { number: "1", text: "On" },
    ],
    enumFallback: "",
    defaultValue: "",
    unit: "",
    syncOnConnect: false,
    saveRawData: false,
    invalidates: false,
    invalidateAfter: 60,
    invalidShows: "nothing",
    hiddenFromHttp: false,
  };
}

export function formOf({ pin, settings }: TemplateDatastream): DatastreamForm {
  const text = (value: number | string | null | undefined) => (value == null ? "" : String(value));
  return {
    pin,
    name: settings.name,
    alias: text(settings.alias),
    type: settings.type,
    min: text(settings.min),
    max: text(settings.max),
    decimals: text(settings.decimals),
    enumRows: (settings.enum_rows ?? []).map((row) => ({ number: String(row.number), text: row.text })),
    enumFallback: text(settings.enum_fallback),
    defaultValue: settings.default == null ? "" : valueText(settings.default),
    unit: text(settings.unit),
    syncOnConnect: settings.sync_on_connect ?? false,
    saveRawData: settings.save_raw_data ?? false,
    invalidates: settings.invalidate != null,
    invalidateAfter: settings.invalidate?.after_s ?? 60,
    invalidShows: settings.invalidate?.shows ?? "nothing",
    hiddenFromHttp: settings.hidden_from_http ?? false,
  };
}

/**
 * What the form says. Fields that the chosen type does not have are left out, so that a change of type does not send
 * what was typed for the other one. A number that is none stays as `NaN` would: it is left for the server to refuse.
 */
export function settingsOf(form: DatastreamForm): DatastreamSettings {
  const isNumber = form.type === "integer" || form.type === "double";
  const isEnum = form.type === "enum";
  return {
    name: form.name.trim(),
    alias: orNull(form.alias),
    type: form.type,
    min: isNumber ? numberOrNull(form.min) : null,
    max: isNumber ? numberOrNull(form.max) : null,
    decimals: form.type === "double" ? orNull(form.decimals) : null,
    enum_rows: isEnum ? form.enumRows.map((row) => ({ number: Number(row.number), text: row.text.trim() })) : [],
    enum_fallback: isEnum ? numberOrNull(form.enumFallback) : null,
    default: defaultOf(form),
    unit: orNull(form.unit),
    sync_on_connect: form.syncOnConnect,
    save_raw_data: form.saveRawData,
    invalidate: form.invalidates
      ? { after_s: Number(form.invalidateAfter), shows: form.invalidShows }
      : null,
    hidden_from_http: form.hiddenFromHttp,
  };
}

/** What was typed as the default of another type is no default of a boolean. */
function defaultOf({ type, defaultValue }: DatastreamForm): string | null {
  if (defaultValue === "") return null;
  return type !== "boolean" || defaultValue === "0" || defaultValue === "1" ? defaultValue : null;
}

/** Says what is still missing, or null when the form can be sent. The server checks everything else. */
export function missingIn(form: DatastreamForm): string | null {
  if (typeof form.pin !== "number") return "Choose a pin.";
  if (form.name.trim() === "") return "Give the datastream a name.";
  if ([form.min, form.max].some((text) => text.trim() !== "" && Number.isNaN(Number(text)))) {
    return "The limits must be numbers.";
  }
  if (form.type === "enum" && form.enumRows.some((row) => row.text.trim() === "" || !/^-?\d+$/.test(row.number.trim()))) {
    return "Each row needs a whole number and a text.";
  }
  if (form.invalidates && typeof form.invalidateAfter !== "number") return "Say after how many seconds.";
  return null;
}

/** The limits and form of a datastream in a few words, for the list. */
export function rangeText(settings: DatastreamSettings): string {
  if (settings.type === "enum") return (settings.enum_rows ?? []).map((row) => row.text).join(", ");
  const unit = settings.unit ? ` ${settings.unit}` : "";
  const { min, max } = settings;
  if (min != null && max != null) return `${min} to ${max}${unit}`;
  if (min != null) return `from ${min}${unit}`;
  if (max != null) return `up to ${max}${unit}`;
  return unit.trim();
}

const orNull = (text: string) => (text.trim() === "" ? null : text.trim());
const numberOrNull = (text: string) => (text.trim() === "" ? null : Number(text));
