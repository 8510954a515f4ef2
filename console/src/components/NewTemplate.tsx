import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { createTemplate } from "../api/actions";
import { templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { ProblemNote } from "./ProblemNote";

type Props = { onCreated: (template: Template) => void; onCancel?: () => void };

/** Makes a template. It stands inside other forms, so it is none of its own. */
export function NewTemplate({ onCreated, onCancel }: Props) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => createTemplate(name.trim()),
    onSuccess: async (template) => {
      await queries.invalidateQueries({ queryKey: templatesQuery.queryKey });
      onCreated(template);
    },
  });
  const submit = () => name.trim() !== "" && create.mutate();
  return (
    <div className="stack tight">
      {create.error && <ProblemNote error={create.error} />}
      <div className="row" style={{ alignItems: "flex-end" }}>
        <TextInput
          className="grow"
          label="New template"
          description="The product's name, for example “Air Monitor”. It is part of the hotspot's name."
          value={name}
          maxLength={80}
          data-autofocus
          onChange={(event) => setName(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            submit();
          }}
        />
        <Button onClick={submit} disabled={name.trim() === ""} loading={create.isPending}>
          Create template
        </Button>
        {onCancel && (
          <Button variant="default" onClick={onCancel}>
            Cancel
          </Button>
        )}
      </div>
    </div>
  );
}

export function NewTemplateDialog({ onCreated, onClose }: { onCreated: Props["onCreated"]; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="New template">
      <NewTemplate onCreated={onCreated} onCancel={onClose} />
    </Modal>
  );
}
