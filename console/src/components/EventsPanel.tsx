import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { templateEventsQuery } from "../api/queries";
import type { TemplateEvent } from "../api/types";
import { notifyingText } from "../logic/eventForm";
import { entryMark } from "../logic/timelineWords";
import { ColumnTable } from "./ColumnTable";
import { EmptyNote } from "./EmptyNote";
import { EventDialog } from "./EventDialog";
import { Icon } from "./Icon";
import { ProblemNote } from "./ProblemNote";
import { StatusMark } from "./StatusMark";

/** What devices of the template may tell of by a code. */
export function EventsPanel({ templateId }: { templateId: string }) {
  const query = useQuery(templateEventsQuery(templateId));
  const [edited, setEdited] = useState<TemplateEvent | "new" | null>(null);
  const items = query.data?.items ?? [];
  return (
    <section className="card" aria-labelledby="events-title">
      <div className="card-head">
        <h2 id="events-title">Events</h2>
        <Button
          variant="default"
          leftSection={<Icon name="plus" size={18} />}
          onClick={() => setEdited("new")}
          disabled={!query.data}
        >
          Add an event
        </Button>
      </div>
      {query.isPending && <Skeleton height={90} radius="md" aria-label="Loading events" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && items.length === 0 && (
        <EmptyNote icon="bell" title="No events yet">
          A device tells of an event by its code. Add one to keep it on the timeline, or to be told of it.
        </EmptyNote>
      )}
      {items.length > 0 && <EventTable items={items} onEdit={setEdited} />}
      {edited && (
        <EventDialog
          key={edited === "new" ? "" : edited.code}
          templateId={templateId}
          event={edited === "new" ? null : edited}
          takenCodes={items.map(({ code }) => code)}
          onClose={() => setEdited(null)}
        />
      )}
    </section>
  );
}

function EventTable({ items, onEdit }: { items: TemplateEvent[]; onEdit: (event: TemplateEvent) => void }) {
  return (
    <ColumnTable
      label="events"
      items={items}
      keyOf={({ code }) => code}
      columns={[
        { title: "Name", isLead: true, className: "break", cell: ({ settings }) => <strong>{settings.name}</strong> },
        { title: "Code", className: "mono break", cell: ({ code }) => code },
        { title: "Type", cell: ({ settings }) => <StatusMark mark={entryMark(settings.type)} /> },
        {
          title: "Timeline",
          cell: ({ settings }) => (settings.show_on_timeline ? "shown" : <span className="soft">not shown</span>),
        },
        { title: "Tells", className: "break", cell: ({ settings }) => notifyingText(settings.notifying) },
        {
          title: "",
          cell: (event) => (
            <Button
              variant="default"
              size="xs"
              aria-label={`Edit ${event.settings.name}`}
              onClick={() => onEdit(event)}
            >
              Edit
            </Button>
          ),
        },
      ]}
    />
  );
}
