import { Button, Select, Skeleton, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { createTemplate } from "../api/actions";
import { templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { ProblemNote } from "./ProblemNote";

type Props = { value: string | null; onChange: (template: Template) => void };

/** Chooses a template or makes one. */
export function TemplatePicker({ value, onChange }: Props) {
  const query = useQuery(templatesQuery);
  const [isAdding, setAdding] = useState(false);
  if (query.isPending) return <Skeleton height={60} radius="md" aria-label="Loading templates" />;
  if (!query.data) return <ProblemNote error={query.error} onRetry={() => void query.refetch()} />;
  const templates = query.data.items;
  if (isAdding || templates.length === 0) {
    return (
      <NewTemplate
        onCancel={templates.length > 0 ? () => setAdding(false) : undefined}
        onCreated={(template) => {
          setAdding(false);
          onChange(template);
        }}
      />
    );
  }
  return (
    <div className="row" style={{ alignItems: "flex-end" }}>
      <Select
        className="grow"
        label="Template"
        description="The product this board is one of"
        placeholder="Choose"
        searchable={templates.length > 8}
        data={templates.map(({ id, name }) => ({ value: id, label: name }))}
        value={value}
        onChange={(id) => {
          const template = templates.find((candidate) => candidate.id === id);
          if (template) onChange(template);
        }}
      />
      <Button variant="default" onClick={() => setAdding(true)}>
        New template
      </Button>
    </div>
  );
}

function NewTemplate({ onCreated, onCancel }: { onCreated: (template: Template) => void; onCancel?: () => void }) {
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
