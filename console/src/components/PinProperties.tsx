import { Autocomplete, Button, ColorSwatch, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { resetProperty, setProperty } from "../api/actions";
import { propertiesQuery } from "../api/queries";
import type { Device, DeviceProperty } from "../api/types";
import { isHexColor } from "../logic/hexColor";
import { valueText } from "../logic/pinValue";
import { IconButton } from "./IconButton";
import { ProblemNote } from "./ProblemNote";

/** The properties that are set most; the server knows more and refuses what is none. */
const COMMON = ["label", "color", "min", "max", "suffix", "labels", "isDisabled", "isHidden", "onLabel", "offLabel"];

/** Properties that hold several values. */
const SEVERAL = ["labels", "urls"];

/** How a pin is to be shown: what the device or a person said about it. */
export function PinProperties({ device, pin }: { device: Device; pin: number }) {
  const queries = useQueryClient();
  const query = useQuery(propertiesQuery(device.id));
  const onSuccess = () => queries.invalidateQueries({ queryKey: propertiesQuery(device.id).queryKey });
  const reset = useMutation({ mutationFn: (property: string) => resetProperty(device.id, pin, property), onSuccess });
  const own = query.data?.items.filter((property) => property.pin === pin) ?? [];
  const count = own.length === 0 ? "" : ` (${own.length})`;
  return (
    <details>
      <summary>Properties{count}</summary>
      <div className="stack tight">
        {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
        {reset.error && <ProblemNote error={reset.error} />}
        {query.data && own.length === 0 && <p className="soft small">Nothing is set. Apps show the pin as they please.</p>}
        <ul className="lined-list" aria-label={`Properties of V${pin}`}>
          {own.map((property) => (
            <Property key={property.property} property={property} onReset={() => reset.mutate(property.property)} />
          ))}
        </ul>
        <NewProperty device={device} pin={pin} onSuccess={onSuccess} />
      </div>
    </details>
  );
}

function Property({ property, onReset }: { property: DeviceProperty; onReset: () => void }) {
  const text = valueText(property.value);
  return (
    <li>
      <span className="metadata-name mono">{property.property}</span>
      <span className="metadata-value row">
        {isHexColor(text) && <ColorSwatch color={text} size={14} withShadow={false} aria-hidden />}
        {text}
      </span>
      <IconButton label={`Reset ${property.property}`} icon="cross" iconSize={15} onClick={onReset} />
    </li>
  );
}

function NewProperty({ device, pin, onSuccess }: { device: Device; pin: number; onSuccess: () => Promise<void> }) {
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const set = useMutation({
    mutationFn: () => {
      const value = SEVERAL.includes(name) ? text.split(",").map((part) => part.trim()) : text;
      return setProperty(device.id, pin, name.trim(), value);
    },
    onSuccess: async () => {
      setText("");
      await onSuccess();
    },
  });
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        set.mutate();
      }}
    >
      <div className="inline-form">
        <Autocomplete size="xs" label="Property" data={COMMON} value={name} onChange={setName} />
        <TextInput
          size="xs"
          label={SEVERAL.includes(name) ? "Values, parted by commas" : "Property value"}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button size="xs" type="submit" variant="light" loading={set.isPending} disabled={name.trim() === ""}>
          Set
        </Button>
      </div>
      {set.error && <ProblemNote error={set.error} />}
    </form>
  );
}
