import { Button, Checkbox, Modal, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { addBoard, powerBoard, refreshBench, type NewBoard } from "../api/actions";
import type { Place, Template } from "../api/types";
import { ProblemNote } from "../components/ProblemNote";
import { TemplatePicker } from "../components/TemplatePicker";
import { placeOfSpot, spotsOf, VAN } from "./spots";

type Props = { places: Place[]; opened: boolean; onClose: () => void; onAdded: (boardId: string) => void };

const FIRMWARE: { value: NewBoard["firmware"]; label: string }[] = [
  { value: "rehome", label: "Rehome" },
  { value: "edgent-old", label: "Blynk.Edgent 1.x" },
  { value: "edgent-new", label: "Blynk.Edgent, new" },
];

const RECOVERY: { value: NonNullable<NewBoard["recovery"]>; label: string }[] = [
  { value: "rehome", label: "Rehome: opens the hotspot, keeps the home" },
  { value: "reset", label: "Reset: erases the home (the forum's workaround)" },
  { value: "stock", label: "Stock: as Edgent ships" },
];

export function AddBoardDialog(props: Props) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title="Add a board">
      <AddBoardForm {...props} />
    </Modal>
  );
}

function AddBoardForm({ places, onClose, onAdded }: Props) {
  const queries = useQueryClient();
  const spots = spotsOf(places);
  const [template, setTemplate] = useState<Template | null>(null);
  const [firmware, setFirmware] = useState<NewBoard["firmware"]>("rehome");
  const [recovery, setRecovery] = useState<NonNullable<NewBoard["recovery"]>>("rehome");
  const [isPatched, setPatched] = useState(false);
  const [hasButton, setHasButton] = useState(true);
  const [isPlugged, setPlugged] = useState(true);
  const [spot, setSpot] = useState(spots[0]?.id ?? VAN);
  const [name, setName] = useState("");
  const add = useMutation({
    mutationFn: async (chosen: Template) => {
      const board = await addBoard({
        firmware,
        template_id: chosen.id,
        template_name: chosen.name,
        button: hasButton,
        place: placeOfSpot(spot),
        name: name.trim() === "" ? null : name.trim(),
        recovery: firmware === "rehome" ? recovery : null,
        patched: firmware === "edgent-old" ? isPatched : null,
      });
      if (isPlugged && spot !== VAN) await powerBoard(board.id, true);
      return board;
    },
    onSuccess: (board) => {
      onAdded(board.id);
      onClose();
    },
    onSettled: () => refreshBench(queries),
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (template) add.mutate(template);
      }}
    >
      {add.error && <ProblemNote error={add.error} />}
      <TemplatePicker value={template?.id ?? null} onChange={setTemplate} />
      <Select
        label="Firmware"
        data={FIRMWARE}
        value={firmware}
        onChange={(value) => setFirmware(value as NewBoard["firmware"])}
      />
      {firmware === "rehome" && (
        <Select
          label="When the network is gone"
          data={RECOVERY}
          value={recovery}
          onChange={(value) => setRecovery(value as NonNullable<NewBoard["recovery"]>)}
        />
      )}
      <Select
        label="Place"
        data={spots.map(({ id, name: label }) => ({ value: id, label }))}
        value={spot}
        onChange={(value) => setSpot(value ?? VAN)}
      />
      <TextInput
        label="Name"
        description="Left empty, the bench makes one up."
        value={name}
        maxLength={64}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      {firmware === "edgent-old" && (
        <Checkbox
          label="With the forum's two changes: erase when the token is refused or no network is found"
          checked={isPatched}
          onChange={(event) => setPatched(event.currentTarget.checked)}
        />
      )}
      <Checkbox
        label="It has a button"
        checked={hasButton}
        onChange={(event) => setHasButton(event.currentTarget.checked)}
      />
      <Checkbox
        label="Plug it in"
        checked={isPlugged && spot !== VAN}
        disabled={spot === VAN}
        onChange={(event) => setPlugged(event.currentTarget.checked)}
      />
      <div className="row">
        <Button type="submit" disabled={!template} loading={add.isPending}>
          Add board
        </Button>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
