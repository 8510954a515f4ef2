import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { ProblemNote } from "./ProblemNote";

type Props<Item> = {
  title: string;
  /** The name until now. */
  name: string;
  /** What a new name does not change. */
  note?: string;
  opened: boolean;
  rename: (name: string) => Promise<Item>;
  onRenamed: (item: Item) => void;
  onClose: () => void;
};

/** Asks for another name. */
export function RenameDialog<Item>(props: Props<Item>) {
  const [name, setName] = useState(props.name);
  const rename = useMutation({
    mutationFn: () => props.rename(name.trim()),
    onSuccess: (renamed) => {
      props.onRenamed(renamed);
      props.onClose();
    },
  });
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={props.title}>
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
          description={props.note}
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
