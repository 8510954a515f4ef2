import { Checkbox, ColorSwatch, NumberInput, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { putLifecycle } from "../api/actions";
import { lifecycleQuery } from "../api/queries";
import type { ConnectionLifecycle, LifecycleStatus } from "../api/types";
import { DESCRIPTION_LEN_MAX, NAME_LEN_MAX } from "../logic/eventForm";
import { isHexColor } from "../logic/hexColor";
import {
  missingInStatus,
  NEW_STATUS,
  OFFLINE,
  ONLINE,
  statusesOf,
  statusFormOf,
  statusOf,
  waitLimits,
  withStatus,
  type StatusForm,
} from "../logic/lifecycleForm";
import { NotifyingFields } from "./NotifyingFields";
import { SettingsDialog } from "./SettingsDialog";

type Props = {
  templateId: string;
  lifecycle: ConnectionLifecycle;
  /** The place of the status to change; the one after the last adds one. */
  place: number;
  onClose: () => void;
};

export function StatusDialog({ templateId, lifecycle, place, onClose }: Props) {
  const queries = useQueryClient();
  const known = statusesOf(lifecycle)[place];
  const [form, setForm] = useState(() => (known ? statusFormOf(known) : NEW_STATUS));
  const change = (changes: Partial<StatusForm>) => setForm((before) => ({ ...before, ...changes }));
  const put = (status: LifecycleStatus | null) => putLifecycle(templateId, withStatus(lifecycle, place, status));
  return (
    <SettingsDialog
      title={known ? `Change the status ${known.name}` : "Add a status"}
      missing={missingInStatus(form)}
      save={() => put(statusOf(form))}
      removal={known && place > OFFLINE ? { label: "Take the status away", send: () => put(null) } : null}
      refresh={(stored) => queries.setQueryData(lifecycleQuery(templateId).queryKey, stored)}
      onClose={onClose}
    >
      <Fields form={form} change={change} place={place} />
      <NotifyingFields form={form} change={change} counted="changes to this status" />
    </SettingsDialog>
  );
}

type FieldsProps = { form: StatusForm; change: (changes: Partial<StatusForm>) => void; place: number };

function Fields({ form, change, place }: FieldsProps) {
  return (
    <>
      <div className="short-fields">
        <TextInput
          label="Name"
          value={form.name}
          maxLength={NAME_LEN_MAX}
          onChange={(event) => change({ name: event.currentTarget.value })}
          data-autofocus
          required
        />
        <TextInput
          label="Colour"
          placeholder="#16794C"
          value={form.color}
          maxLength={7}
          leftSection={<Swatch color={form.color} />}
          onChange={(event) => change({ color: event.currentTarget.value })}
        />
        {place !== ONLINE && (
          <NumberInput
            label={place === OFFLINE ? "Seconds after the disconnect" : "Seconds after the status before"}
            {...waitLimits(place)}
            allowDecimal={false}
            hideControls
            value={form.wait}
            onChange={(wait) => change({ wait })}
          />
        )}
      </div>
      <Textarea
        label="Description"
        description="Stands on the timeline beside the name."
        rows={2}
        value={form.description}
        maxLength={DESCRIPTION_LEN_MAX}
        onChange={(event) => change({ description: event.currentTarget.value })}
      />
      <Checkbox
        label="Show a change to it on the device’s timeline"
        checked={form.onTimeline}
        onChange={(event) => change({ onTimeline: event.currentTarget.checked })}
      />
    </>
  );
}

function Swatch({ color }: { color: string }) {
  if (!isHexColor(color.trim())) return null;
  return <ColorSwatch color={color.trim()} size={16} withShadow={false} aria-hidden />;
}
