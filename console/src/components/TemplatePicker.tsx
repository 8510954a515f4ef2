import { Button, Select, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { NewTemplate } from "./NewTemplate";
import { ProblemNote } from "./ProblemNote";

type Props = { value: string | null; onChange: (template: Template) => void };

/** Chooses a template or makes one. The only one there is needs no choice. */
export function TemplatePicker({ value, onChange }: Props) {
  const query = useQuery(templatesQuery);
  const [isAdding, setAdding] = useState(false);
  const items = query.data?.items;
  const only = items?.length === 1 ? items[0] : undefined;
  useEffect(() => {
    if (only && value === null) onChange(only);
  }, [only, value, onChange]);
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
