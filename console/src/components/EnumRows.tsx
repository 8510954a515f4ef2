import { ActionIcon, Button, Select, TextInput } from "@mantine/core";

import type { DatastreamForm } from "../logic/datastreamForm";
import "../styles/datastreams.css";
import { Icon } from "./Icon";

type Props = { form: DatastreamForm; change: (changes: Partial<DatastreamForm>) => void };

/** The rows of an enum: a number that travels, and what it means. */
export function EnumRows({ form, change }: Props) {
  const rows = form.enumRows;
  const set = (index: number, changes: Partial<(typeof rows)[number]>) =>
    change({ enumRows: rows.map((row, at) => (at === index ? { ...row, ...changes } : row)) });
  const nextNumber = () => String(Math.max(-1, ...rows.map((row) => Number(row.number) || 0)) + 1);
  return (
    <fieldset className="plain-fieldset stack tight">
      <legend>Rows</legend>
      {rows.map((row, index) => (
        <div className="enum-row" key={index}>
          <TextInput
            aria-label={`Number of row ${index + 1}`}
            inputMode="numeric"
            value={row.number}
            onChange={(event) => set(index, { number: event.currentTarget.value })}
          />
          <TextInput
            aria-label={`Text of row ${index + 1}`}
            value={row.text}
            maxLength={100}
            onChange={(event) => set(index, { text: event.currentTarget.value })}
          />
          <ActionIcon
            aria-label={`Remove row ${index + 1}`}
            onClick={() => change({ enumRows: rows.filter((_, at) => at !== index) })}
          >
            <Icon name="cross" size={17} />
          </ActionIcon>
        </div>
      ))}
      <div className="row">
        <Button
          variant="default"
          size="xs"
          onClick={() => change({ enumRows: [...rows, { number: nextNumber(), text: "" }] })}
        >
          Add a row
        </Button>
      </div>
      <Select
        label="Any other number counts as"
        placeholder="Not stored"
        data={rows.filter((row) => row.number !== "").map((row) => ({ value: row.number, label: row.text || row.number }))}
        value={form.enumFallback === "" ? null : form.enumFallback}
        clearable
        onChange={(value) => change({ enumFallback: value ?? "" })}
      />
    </fieldset>
  );
}
