import { Checkbox, Select, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { deleteTemplateEvent, putTemplateEvent } from "../api/actions";
import { templateEventsQuery } from "../api/queries";
import type { TemplateEvent } from "../api/types";
import {
  DESCRIPTION_LEN_MAX,
  EVENT_TYPES,
  eventFormOf,
  eventSettingsOf,
  missingInEvent,
  NAME_LEN_MAX,
  NEW_EVENT,
  type EventForm,
} from "../logic/eventForm";
import { NotifyingFields } from "./NotifyingFields";
import { SettingsDialog } from "./SettingsDialog";

type Props = {
  templateId: string;
  /** The one to change; null for a new one. */
  event: TemplateEvent | null;
  takenCodes: string[];
  onClose: () => void;
};

export function EventDialog({ templateId, event: edited, takenCodes, onClose }: Props) {
  const queries = useQueryClient();
  const [form, setForm] = useState(() => (edited ? eventFormOf(edited) : NEW_EVENT));
  const change = (changes: Partial<EventForm>) => setForm((before) => ({ ...before, ...changes }));
  return (
    <SettingsDialog
      title={edited ? "Change an event" : "Add an event"}
      missing={missingInEvent(form, edited ? [] : takenCodes)}
      save={() => putTemplateEvent(templateId, form.code.trim(), eventSettingsOf(form))}
      removal={edited && { label: "Take the event away", send: () => deleteTemplateEvent(templateId, form.code) }}
      refresh={() => queries.invalidateQueries({ queryKey: templateEventsQuery(templateId).queryKey })}
      onClose={onClose}
    >
      <Fields form={form} change={change} isNew={!edited} />
      <NotifyingFields form={form} change={change} counted="events" />
    </SettingsDialog>
  );
}

type FieldsProps = { form: EventForm; change: (changes: Partial<EventForm>) => void; isNew: boolean };

function Fields({ form, change, isNew }: FieldsProps) {
  return (
    <>
      <TextInput
        label="Name"
        value={form.name}
        maxLength={NAME_LEN_MAX}
        onChange={(event) => change({ name: event.currentTarget.value })}
        data-autofocus
        required
      />
      <TextInput
        label="Code"
        description={isNew ? "The firmware sends it, as in Blynk.logEvent(\"code\")." : "What the firmware sends stays as it is."}
        value={form.code}
        maxLength={NAME_LEN_MAX}
        onChange={(event) => change({ code: event.currentTarget.value })}
        disabled={!isNew}
        required
      />
      <Select
        label="Type"
        data={EVENT_TYPES}
        value={form.type}
        onChange={(value) => {
          const type = EVENT_TYPES.find((known) => known.value === value)?.value;
          if (type) change({ type });
        }}
      />
      <Textarea
        label="Description"
        description="Stands where a device sends no description of its own."
        rows={2}
        value={form.description}
        maxLength={DESCRIPTION_LEN_MAX}
        onChange={(event) => change({ description: event.currentTarget.value })}
      />
      <Checkbox
        label="Show it on the device’s timeline"
        checked={form.onTimeline}
        onChange={(event) => change({ onTimeline: event.currentTarget.checked })}
      />
    </>
  );
}
