import { SegmentedControl } from "@mantine/core";
import { useState } from "react";

import { eraseHistory } from "../api/actions";
import type { Device } from "../api/types";
import type { Range } from "../logic/history";
import { DeleteDialog } from "./DeleteDialog";

type Props = {
  device: Device;
  /** Null for every pin. */
  pin: number | null;
  name: string;
  /** The range that is on the screen, to erase only that. */
  shown: Range | null;
  onClose: () => void;
};

/** Asks before history goes; nothing brings it back. */
export function EraseHistoryDialog({ device, pin, name, shown, onClose }: Props) {
  const [extent, setExtent] = useState("everything");
  return (
    <DeleteDialog
      title={`Erase the history of ${name}`}
      confirm={extent === "shown" && shown ? `Erase the last ${shown.words}` : "Erase everything"}
      remove={() => eraseHistory(device.id, pin, extent === "shown" && shown ? Date.now() - shown.length_ms : null)}
      queryKey={["history", device.id]}
      onClose={onClose}
    >
      {shown && (
        <SegmentedControl
          aria-label="How much"
          value={extent}
          onChange={setExtent}
          data={[
            { value: "everything", label: "Everything" },
            { value: "shown", label: `The last ${shown.words}` },
          ]}
        />
      )}
      <p>
        {pin === null ? "The history of every pin" : "The values, minutes, hours and days of this pin"} cannot be brought back.
        The last value of {pin === null ? "each pin" : "the pin"} stays.
      </p>
    </DeleteDialog>
  );
}
