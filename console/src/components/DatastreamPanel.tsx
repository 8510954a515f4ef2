import { ActionIcon, Button, NumberInput, Skeleton, TextInput, Tooltip } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { writePin } from "../api/actions";
import { withPin } from "../api/cloudLive";
import { datastreamsQuery, rejectedQuery } from "../api/queries";
import type { Datastream, DatastreamValue, Device } from "../api/types";
import { editedValue, PIN_MAX, valueText } from "../logic/pinValue";
import "../styles/datastreams.css";
import { Icon } from "./Icon";
import { ProblemNote } from "./ProblemNote";
import { When } from "./When";

/** The live value of each virtual pin, and a way to write one. */
export function DatastreamPanel({ device }: { device: Device }) {
  const query = useQuery(datastreamsQuery(device.id));
  return (
    <section className="card" aria-labelledby="pins-title">
      <div className="card-head">
        <h2 id="pins-title">Values</h2>
        {device.online && <span className="mark good small">Live</span>}
      </div>
      <div className="stack">
        {query.isPending && <Skeleton height={90} radius="md" aria-label="Loading values" />}
        {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
        <RejectedNote deviceId={device.id} />
        {query.data && <PinList device={device} pins={query.data.items} />}
      </div>
    </section>
  );
}

/** The last value that did not fit its datastream, since this page was opened. */
function RejectedNote({ deviceId }: { deviceId: string }) {
  const { data: rejected } = useQuery(rejectedQuery(deviceId));
  if (!rejected) return null;
  return (
    <p className="notice" role="status">
      A value for V{rejected.pin} was not stored: {rejected.reason}. <When at={rejected.at} />
    </p>
  );
}

function PinList({ device, pins }: { device: Device; pins: Datastream[] }) {
  return (
    <>
      {pins.length === 0 ? (
        <p className="soft">
          No pin has a value yet. They appear here when the firmware writes one, or when you do below.
        </p>
      ) : (
        <ul className="pin-list">
          {pins.map((pin) => (
            <PinRow key={pin.pin} device={device} pin={pin} />
          ))}
        </ul>
      )}
      <NewPin device={device} />
    </>
  );
}

function PinRow({ device, pin }: { device: Device; pin: Datastream }) {
  const [draft, setDraft] = useState<string | null>(null);
  const write = useWritePin(device.id);
  const name = `V${pin.pin}`;
  return (
    <li className="pin" data-testid={`pin-${pin.pin}`}>
      <span className="pin-name mono">{name}</span>
      {draft === null ? (
        <>
          <output key={pin.at} className="pin-value break" aria-live="off">
            {valueText(pin.value)}
          </output>
          <span className="soft small pin-when">
            <When at={pin.at} />
          </span>
          <Tooltip label={`Write ${name}`}>
            <ActionIcon aria-label={`Write ${name}`} onClick={() => setDraft(valueText(pin.value))}>
              <Icon name="pencil" size={17} />
            </ActionIcon>
          </Tooltip>
        </>
      ) : (
        <form
          className="pin-form"
          onSubmit={(event) => {
            event.preventDefault();
            write.mutate({ pin: pin.pin, value: editedValue(draft, pin.value) }, { onSuccess: () => setDraft(null) });
          }}
        >
          <TextInput
            aria-label={`New value of ${name}`}
            className="grow"
            value={draft}
            onChange={(event) => setDraft(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Escape" && setDraft(null)}
            autoFocus
          />
          <Button type="submit" loading={write.isPending}>
            Write
          </Button>
          <Button variant="default" onClick={() => setDraft(null)}>
            Cancel
          </Button>
        </form>
      )}
      {write.error && (
        <div className="pin-problem">
          <ProblemNote error={write.error} />
        </div>
      )}
    </li>
  );
}

function NewPin({ device }: { device: Device }) {
  const [pin, setPin] = useState<number | string>("");
  const [value, setValue] = useState("");
  const write = useWritePin(device.id);
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        if (typeof pin !== "number") return;
        write.mutate({ pin, value }, { onSuccess: () => setValue("") });
      }}
    >
      <div className="new-pin">
        <NumberInput
          label="Pin"
          prefix="V"
          min={0}
          max={PIN_MAX}
          allowDecimal={false}
          allowNegative={false}
          clampBehavior="strict"
          hideControls
          placeholder="V0"
          value={pin}
          onChange={setPin}
        />
        <TextInput label="Value" value={value} onChange={(event) => setValue(event.currentTarget.value)} />
        <Button type="submit" variant="light" loading={write.isPending} disabled={typeof pin !== "number"}>
          Write
        </Button>
      </div>
      {write.error && <ProblemNote error={write.error} />}
    </form>
  );
}

function useWritePin(deviceId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ pin, value }: { pin: number; value: DatastreamValue }) => writePin(deviceId, pin, value),
    onSuccess: (stored, { pin }) => {
      queries.setQueryData(datastreamsQuery(deviceId).queryKey, (list) =>
        list ? { ...list, items: withPin(list.items, { pin, ...stored }) } : list,
      );
    },
  });
}
