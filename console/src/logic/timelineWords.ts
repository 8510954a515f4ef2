import type { TimelineFilter } from "../api/queries";
import type { TimelineEntry, TimelineEntryType } from "../api/types";
import type { StatusMark } from "./deviceStatus";

/** What a type of entry is called, with its colour. In the order in which they are offered to choose from. */
const MARKS: Record<TimelineEntryType, StatusMark> = {
  critical: { tone: "bad", label: "Critical" },
  warning: { tone: "wait", label: "Warning" },
  info: { tone: "info", label: "Info" },
  content: { tone: "info", label: "Content" },
  online: { tone: "good", label: "Online" },
  offline: { tone: "off", label: "Offline" },
  status: { tone: "off", label: "Status" },
  note: { tone: "info", label: "Note" },
};

export const ENTRY_TYPES = Object.entries(MARKS).map(([value, { label }]) => ({ value, label }));

export const entryMark = (type: TimelineEntryType): StatusMark => MARKS[type];

/** The title, unless the word for the type says the same already. */
export function entryTitle({ type, title }: Pick<TimelineEntry, "type" | "title">): string | null {
  return title === MARKS[type].label ? null : title;
}

/** What an entry is called where one must be told from the others. */
export function entryName(entry: Pick<TimelineEntry, "title" | "description">): string {
  return entry.title === "Note" ? `note “${entry.description.slice(0, 40)}”` : entry.title;
}

export const SHOWN_CHOICES = [
  { value: "all", label: "Everything" },
  { value: "unresolved", label: "Not resolved" },
  { value: "resolved", label: "Resolved" },
  { value: "archived", label: "Archived" },
];

/** What to ask the server for. `type` may be empty for every type. */
export function timelineFilter(type: string, shown: string): TimelineFilter {
  const filter: TimelineFilter = {};
  if (type in MARKS) filter.type = type as TimelineEntryType;
  if (shown === "resolved") filter.resolved = true;
  if (shown === "unresolved") filter.resolved = false;
  if (shown === "archived") filter.archived = true;
  return filter;
}
