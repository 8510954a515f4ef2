import { Button, NumberInput, Skeleton, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";

import { writePin } from "../api/actions";
import { withPin } from "../api/cloudLive";
import { datastreamsQuery, rejectedQuery, templateDatastreamsQuery } from "../api/queries";
import type { Datastream, DatastreamSettings, DatastreamValue, Device } from "../api/types";
import { meaningOf } from "../logic/history";
import { editedValue, PIN_MAX, valueText } from "../logic/pinValue";
import "../styles/datastreams.css";
import { DeviceDataMenu } from "./DeviceDataMenu";
import { IconButton } from "./IconButton";
import { PinHistory } from "./PinHistory";
import { PinProperties } from "./PinProperties";
import { ProblemNote } from "./ProblemNote";
import { When } from "./When";

/** The live value of each virtual pin, its history, and a way to write one. */
export function DatastreamPanel({ device }: { device: Device }) {
  const query = useQuery(datastreamsQuery(device.id));
  return (
    <section className="card" aria-labelledby="pins-title">
      <div className="card-head">
        <h2 id="pins-title">Values</h2>
        <div className="row">
          {device.online && <span className="mark good small">Live</span>}
          <DeviceDataMenu device={device} />
        </div>
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
  const { data: template } = useQuery(templateDatastreamsQuery(device.template_id));
  const settingsOf = (pin: number) => template?.items.find((datastream) => datastream.pin === pin)?.settings;
  return (
    <>
      {pins.length === 0 ? (
        <p className="soft">
          No pin has a value yet. They appear here when the firmware writes one, or when you do below.
        </p>
      ) : (
        <ul className="pin-list">
          {pins.map((pin) => (
            <PinRow key={pin.pin} device={device} pin={pin} settings={settingsOf(pin.pin)} />
          ))}
        </ul>
      )}
      <NewPin device={device} />
    </>
  );
}

type PinRowProps = { device: Device; pin: Datastream; settings: DatastreamSettings | undefined };

function PinRow({ device, pin, settings }: PinRowProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const [isOpen, setOpen] = useState(false);
  const detailsId = useId();
  const write = useWritePin(device.id);
  const name = `V${pin.pin}`;
  const label = settings ? `${settings.name} (${name})` : name;
  return (
    <li className="pin" data-testid={`pin-${pin.pin}`}>
      <span className="pin-name">
        <span className="mono">{name}</span>
        {settings && <span className="small break">{settings.name}</span>}
      </span>
      {draft === null ? (
        <>
          <output key={pin.at} className="pin-value break" aria-live="off">
            {meaningOf(valueText(pin.value), settings)}
          </output>
          <span className="soft small pin-when">
            <When at={pin.at} />
          </span>
          <span className="pin-actions">
            <IconButton
              label={`Write ${name}`}
              icon="pencil"
              iconSize={17}
              onClick={() => setDraft(valueText(pin.value))}
            />
            <IconButton
              label={`History of ${name}`}
              icon="chart"
              iconSize={17}
              aria-expanded={isOpen}
              aria-controls={isOpen ? detailsId : undefined}
              variant={isOpen ? "light" : "subtle"}
              onClick={() => setOpen(!isOpen)}
            />
          </span>
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
      {isOpen && (
        <div id={detailsId} className="pin-details stack">
          <PinHistory device={device} pin={pin.pin} name={label} settings={settings} />
          <PinProperties device={device} pin={pin.pin} />
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
