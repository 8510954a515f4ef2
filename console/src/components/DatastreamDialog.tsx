import { Checkbox, NumberInput, Select, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { deleteTemplateDatastream, putTemplateDatastream } from "../api/actions";
import { templateDatastreamsQuery } from "../api/queries";
import type { TemplateDatastream } from "../api/types";
import {
  DATASTREAM_TYPES,
  DECIMAL_FORMS,
  formOf,
  missingIn,
  newForm,
  settingsOf,
  type DatastreamForm,
} from "../logic/datastreamForm";
import { PIN_MAX } from "../logic/pinValue";
import { EnumRows } from "./EnumRows";
import { SettingsDialog } from "./SettingsDialog";

const BOOLEAN_DEFAULTS = [
  { value: "", label: "Nothing" },
  { value: "0", label: "Off" },
  { value: "1", label: "On" },
];

type Props = {
  templateId: string;
  /** The one to change; null for a new one. */
  datastream: TemplateDatastream | null;
  takenPins: number[];
  onClose: () => void;
};

export type FieldsProps = { form: DatastreamForm; change: (changes: Partial<DatastreamForm>) => void };

export function DatastreamDialog({ templateId, datastream, takenPins, onClose }: Props) {
  const queries = useQueryClient();
  const [form, setForm] = useState(() => (datastream ? formOf(datastream) : newForm(takenPins)));
  const change = (changes: Partial<DatastreamForm>) => setForm((before) => ({ ...before, ...changes }));
  const isTaken = !datastream && typeof form.pin === "number" && takenPins.includes(form.pin);
  return (
    <SettingsDialog
      title={datastream ? "Change a datastream" : "Add a datastream"}
      missing={isTaken ? `V${form.pin} has a datastream already. Edit that one.` : missingIn(form)}
      save={() => putTemplateDatastream(templateId, Number(form.pin), settingsOf(form))}
      removal={
        datastream && {
          label: "Take the datastream away",
          send: () => deleteTemplateDatastream(templateId, Number(form.pin)),
        }
      }
      refresh={() => queries.invalidateQueries({ queryKey: templateDatastreamsQuery(templateId).queryKey })}
      onClose={onClose}
    >
      <Names form={form} change={change} isNew={!datastream} />
      <TypeFields form={form} change={change} />
      <Keeping form={form} change={change} />
    </SettingsDialog>
  );
}

function Names({ form, change, isNew }: FieldsProps & { isNew: boolean }) {
  return (
    <>
      <div className="short-fields">
        <NumberInput
          label="Pin"
          prefix="V"
          min={0}
          max={PIN_MAX}
          allowDecimal={false}
          allowNegative={false}
          clampBehavior="strict"
          hideControls
          value={form.pin}
          onChange={(pin) => change({ pin })}
          disabled={!isNew}
        />
        <TextInput
          label="Name"
          value={form.name}
          maxLength={100}
          onChange={(event) => change({ name: event.currentTarget.value })}
          data-autofocus
          required
        />
        <TextInput
          label="Alias"
          value={form.alias}
          maxLength={100}
          onChange={(event) => change({ alias: event.currentTarget.value })}
        />
        <TextInput
          label="Unit"
          value={form.unit}
          maxLength={32}
          onChange={(event) => change({ unit: event.currentTarget.value })}
        />
      </div>
      <Select
        label="Type"
        description="A value of another type is not stored."
        data={DATASTREAM_TYPES}
        value={form.type}
        allowDeselect={false}
        onChange={(value) => {
          const type = DATASTREAM_TYPES.find((known) => known.value === value)?.value;
          if (type) change({ type });
        }}
      />
    </>
  );
}

function TypeFields({ form, change }: FieldsProps) {
  if (form.type === "enum") return <EnumRows form={form} change={change} />;
  if (form.type !== "integer" && form.type !== "double") return null;
  return (
    <div className="short-fields">
      <TextInput
        label="Smallest"
        description="Smaller values become it."
        inputMode="decimal"
        value={form.min}
        onChange={(event) => change({ min: event.currentTarget.value })}
      />
      <TextInput
        label="Largest"
        description="Larger values become it."
        inputMode="decimal"
        value={form.max}
        onChange={(event) => change({ max: event.currentTarget.value })}
      />
      {form.type === "double" && (
        <Select
          label="Decimals"
          description="Values are rounded to them."
          placeholder="All"
          data={DECIMAL_FORMS}
          value={form.decimals === "" ? null : form.decimals}
          clearable
          onChange={(decimals) => change({ decimals: decimals ?? "" })}
        />
      )}
    </div>
  );
}

function Keeping({ form, change }: FieldsProps) {
  return (
    <>
      {form.type === "boolean" ? (
        <Select
          label="Default"
          description="What the pin holds before anything was written."
          data={BOOLEAN_DEFAULTS}
          value={form.defaultValue === "1" || form.defaultValue === "0" ? form.defaultValue : ""}
          onChange={(value) => change({ defaultValue: value ?? "" })}
        />
      ) : (
        <TextInput
          label="Default"
          description="What the pin holds before anything was written. Left empty, it holds nothing."
          value={form.defaultValue}
          onChange={(event) => change({ defaultValue: event.currentTarget.value })}
        />
      )}
      <Checkbox
        label="Send the last value to the device when it connects"
        checked={form.syncOnConnect}
        onChange={(event) => change({ syncOnConnect: event.currentTarget.checked })}
      />
      <Checkbox
        label="Show every single value in reports and exports"
        description="Otherwise numbers are averaged by the minute."
        checked={form.saveRawData}
        onChange={(event) => change({ saveRawData: event.currentTarget.checked })}
      />
      <Checkbox
        label="Values that are not renewed stop counting"
        checked={form.invalidates}
        onChange={(event) => change({ invalidates: event.currentTarget.checked })}
      />
      {form.invalidates && (
        <div className="short-fields">
          <NumberInput
            label="After seconds"
            min={1}
            allowDecimal={false}
            hideControls
            value={form.invalidateAfter}
            onChange={(invalidateAfter) => change({ invalidateAfter })}
          />
          <Select
            label="Then the pin holds"
            data={[
              { value: "nothing", label: "nothing" },
              { value: "default", label: "the default" },
            ]}
            value={form.invalidShows}
            allowDeselect={false}
            onChange={(value) => change({ invalidShows: value === "default" ? "default" : "nothing" })}
          />
        </div>
      )}
      <Checkbox
        label="Hide from the Device HTTPS API"
        checked={form.hiddenFromHttp}
        onChange={(event) => change({ hiddenFromHttp: event.currentTarget.checked })}
      />
    </>
  );
}
