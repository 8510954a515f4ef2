import { Autocomplete, Button, Skeleton, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { setMetadata } from "../api/actions";
import { metadataQuery, serverQuery } from "../api/queries";
import type { Device } from "../api/types";
import "../styles/history.css";
import { IconButton } from "./IconButton";
import { ProblemNote } from "./ProblemNote";

/** The name stands at the head of the page and is changed there. */
const NAME = "Device Name";
const ZONE = "Device Timezone";

/** What is known about the device beyond its values. The device reads and writes the same fields. */
export function MetadataPanel({ device }: { device: Device }) {
  const query = useQuery(metadataQuery(device.id));
  const { data: server } = useQuery(serverQuery);
  const [isAdding, setAdding] = useState(false);
  const fields = query.data?.items.filter(({ name }) => name !== NAME && name !== ZONE) ?? [];
  const zone = query.data?.items.find(({ name }) => name === ZONE)?.value ?? "";
  return (
    <section className="card" aria-labelledby="metadata-title">
      <div className="card-head">
        <h2 id="metadata-title">Metadata</h2>
        <Button size="xs" variant="default" onClick={() => setAdding(true)} disabled={isAdding}>
          Add a field
        </Button>
      </div>
      {query.isPending && <Skeleton height={60} radius="md" aria-label="Loading the metadata" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && (
        <ul className="lined-list">
          <Field device={device} name={ZONE} value={zone} placeholder={server ? `${server.time_zone}, the server’s` : ""} />
          {fields.map(({ id, name, value }) => (
            <Field key={id} device={device} name={name} value={value} placeholder="empty" />
          ))}
        </ul>
      )}
      {isAdding && <NewField device={device} onClose={() => setAdding(false)} />}
    </section>
  );
}

type FieldProps = { device: Device; name: string; value: string; placeholder: string };

function Field({ device, name, value, placeholder }: FieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const set = useSetMetadata(device.id);
  if (draft === null) {
    return (
      <li>
        <span className="metadata-name small">{name}</span>
        <span className={value === "" ? "metadata-value soft" : "metadata-value"}>{value === "" ? placeholder : value}</span>
        <IconButton label={`Change ${name}`} icon="pencil" iconSize={15} onClick={() => setDraft(value)} />
      </li>
    );
  }
  const input = { label: name, size: "xs", value: draft, className: "grow", autoFocus: true } as const;
  return (
    <li>
      <form
        className="stack tight grow"
        onSubmit={(event) => {
          event.preventDefault();
          set.mutate({ field: name, value: draft.trim() }, { onSuccess: () => setDraft(null) });
        }}
      >
        {name === ZONE ? (
          <Autocomplete {...input} data={ZONES} limit={20} placeholder="Europe/Berlin" onChange={setDraft} />
        ) : (
          <TextInput {...input} onChange={(event) => setDraft(event.currentTarget.value)} />
        )}
        <div className="row">
          <Button size="xs" type="submit" loading={set.isPending}>
            Save
          </Button>
          <Button size="xs" variant="default" onClick={() => setDraft(null)}>
            Cancel
          </Button>
        </div>
        {set.error && <ProblemNote error={set.error} />}
      </form>
    </li>
  );
}

/** The zones that this browser knows; the server checks what is sent against its own. */
const ZONES = Intl.supportedValuesOf("timeZone");

function NewField({ device, onClose }: { device: Device; onClose: () => void }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const set = useSetMetadata(device.id);
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        set.mutate({ field: name.trim(), value }, { onSuccess: onClose });
      }}
    >
      <TextInput size="xs" label="Field" maxLength={64} value={name} onChange={(event) => setName(event.currentTarget.value)} autoFocus />
      <TextInput size="xs" label="Its value" value={value} onChange={(event) => setValue(event.currentTarget.value)} />
      <div className="row">
        <Button size="xs" type="submit" loading={set.isPending} disabled={name.trim() === ""}>
          Add
        </Button>
        <Button size="xs" variant="default" onClick={onClose}>
          Cancel
        </Button>
      </div>
      {set.error && <ProblemNote error={set.error} />}
    </form>
  );
}

function useSetMetadata(deviceId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ field, value }: { field: string; value: string }) => setMetadata(deviceId, field, value),
    onSuccess: () => queries.invalidateQueries({ queryKey: metadataQuery(deviceId).queryKey }),
  });
}
