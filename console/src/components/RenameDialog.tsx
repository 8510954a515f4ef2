import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { renameDevice } from "../api/actions";
import { deviceQuery } from "../api/queries";
import type { Device } from "../api/types";
import { ProblemNote } from "./ProblemNote";

export function RenameDialog(props: { device: Device; opened: boolean; onClose: () => void }) {
  const { device } = props;
  const queries = useQueryClient();
  const [name, setName] = useState(device.name);
  const rename = useMutation({
    mutationFn: () => renameDevice(device.id, name.trim()),
    onSuccess: (renamed) => {
      queries.setQueryData(deviceQuery(device.id).queryKey, renamed);
      void queries.invalidateQueries({ queryKey: ["devices"] });
      props.onClose();
    },
  });
  return (
    <Modal opened={props.opened} onClose={props.onClose} title="Rename device">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          rename.mutate();
        }}
      >
        {rename.error && <ProblemNote error={rename.error} />}
        <TextInput
          label="Name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={80}
          required
          data-autofocus
        />
        <div className="row">
          <Button type="submit" loading={rename.isPending} disabled={name.trim() === ""}>
            Rename
          </Button>
          <Button variant="default" onClick={props.onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Modal>
  );
}
