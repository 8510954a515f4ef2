import { SegmentedControl } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { eraseHistory } from "../api/actions";
import type { Device } from "../api/types";
import type { Range } from "../logic/history";
import { ConfirmDialog } from "./ConfirmDialog";

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
  const queries = useQueryClient();
  const [extent, setExtent] = useState("everything");
  const erase = useMutation({
    mutationFn: () => eraseHistory(device.id, pin, extent === "shown" && shown ? Date.now() - shown.length_ms : null),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["history", device.id] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      title={`Erase the history of ${name}`}
      confirm={extent === "shown" && shown ? `Erase the last ${shown.words}` : "Erase everything"}
      keep="Keep it"
      isDangerous
      isPending={erase.isPending}
      error={erase.error}
      onConfirm={() => erase.mutate()}
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
    </ConfirmDialog>
  );
}
