import { Anchor, Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { templateDatastreamsQuery, templateQuery } from "../api/queries";
import type { TemplateDatastream } from "../api/types";
import { ColumnTable } from "../components/ColumnTable";
import { DatastreamDialog } from "../components/DatastreamDialog";
import { EmptyNote } from "../components/EmptyNote";
import { EventsPanel } from "../components/EventsPanel";
import { GatewayPanel } from "../components/GatewayPanel";
import { Icon } from "../components/Icon";
import { LifecyclePanel } from "../components/LifecyclePanel";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { RecipientsPanel } from "../components/RecipientsPanel";
import { TemplateMenu } from "../components/TemplateMenu";
import { WebhooksPanel } from "../components/WebhooksPanel";
import { DATASTREAM_TYPES, rangeText } from "../logic/datastreamForm";
import { valueText } from "../logic/pinValue";

export function TemplatePage() {
  const { templateId } = useParams({ from: "/templates/$templateId" });
  const template = useQuery(templateQuery(templateId));
  return (
    <div className="page">
      <div>
        <Anchor component={Link} to="/templates" className="row small" display="inline-flex" style={{ gap: 4 }}>
          <Icon name="back" size={16} />
          Templates
        </Anchor>
      </div>
      {template.isError && <ProblemNote error={template.error} onRetry={() => void template.refetch()} />}
      {template.isPending && <Skeleton height={120} radius="md" aria-label="Loading the template" />}
      {template.data && (
        <>
          <PageHead title={template.data.name} actions={<TemplateMenu template={template.data} />}>
            <span className="mono">{template.data.id}</span>
          </PageHead>
          <Datastreams templateId={templateId} />
          <EventsPanel templateId={templateId} />
          <LifecyclePanel templateId={templateId} />
          <div className="halves">
            <RecipientsPanel templateId={templateId} />
            <WebhooksPanel templateId={templateId} />
          </div>
          <GatewayPanel template={template.data} />
        </>
      )}
    </div>
  );
}

function Datastreams({ templateId }: { templateId: string }) {
  const query = useQuery(templateDatastreamsQuery(templateId));
  const [edited, setEdited] = useState<TemplateDatastream | "new" | null>(null);
  const items = query.data?.items ?? [];
  return (
    <section className="card" aria-labelledby="datastreams-title">
      <div className="card-head">
        <h2 id="datastreams-title">Datastreams</h2>
        <Button leftSection={<Icon name="plus" size={18} />} onClick={() => setEdited("new")} disabled={!query.data}>
          Add a datastream
        </Button>
      </div>
      {query.isPending && <Skeleton height={90} radius="md" aria-label="Loading datastreams" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && items.length === 0 && (
        <EmptyNote icon="template" title="No datastreams yet">
          Until a pin has one, it takes every value as text. Add one to give it a type, limits and a default.
        </EmptyNote>
      )}
      {items.length > 0 && <DatastreamTable items={items} onEdit={setEdited} />}
      {edited && (
        <DatastreamDialog
          key={edited === "new" ? "new" : edited.id}
          templateId={templateId}
          datastream={edited === "new" ? null : edited}
          takenPins={items.map(({ pin }) => pin)}
          onClose={() => setEdited(null)}
        />
      )}
    </section>
  );
}

type TableProps = { items: TemplateDatastream[]; onEdit: (datastream: TemplateDatastream) => void };

function DatastreamTable({ items, onEdit }: TableProps) {
  const typeName = (type: string) => DATASTREAM_TYPES.find(({ value }) => value === type)?.label ?? type;
  return (
    <ColumnTable
      label="datastreams"
      items={items}
      keyOf={({ id }) => String(id)}
      columns={[
        { title: "Name", isLead: true, className: "break", cell: ({ settings }) => <strong>{settings.name}</strong> },
        { title: "Pin", className: "mono", cell: ({ pin }) => `V${pin}` },
        { title: "Type", cell: ({ settings }) => typeName(settings.type) },
        { title: "Range", className: "break", cell: ({ settings }) => rangeText(settings) },
        {
          title: "Default",
          className: "break",
          cell: ({ settings }) =>
            settings.default == null ? <span className="soft">none</span> : valueText(settings.default),
        },
        { title: "Id", className: "mono small", cell: ({ id }) => id },
        {
          title: "",
          cell: (datastream) => (
            <Button
              variant="default"
              size="xs"
              aria-label={`Edit ${datastream.settings.name}`}
              onClick={() => onEdit(datastream)}
            >
              Edit
            </Button>
          ),
        },
      ]}
    />
  );
}
