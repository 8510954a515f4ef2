import { Anchor, Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { templateListQuery } from "../api/queries";
import type { Template } from "../api/types";
import { EmptyNote } from "../components/EmptyNote";
import { Icon } from "../components/Icon";
import { NewTemplateDialog } from "../components/NewTemplate";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { When } from "../components/When";

export function TemplatesPage() {
  const query = useInfiniteQuery(templateListQuery);
  const navigate = useNavigate();
  const [isAdding, setAdding] = useState(false);
  return (
    <div className="page">
      <PageHead
        title="Templates"
        actions={
          <Button leftSection={<Icon name="plus" size={18} />} onClick={() => setAdding(true)}>
            New template
          </Button>
        }
      >
        A template is a product. Its datastreams say what the pins of its devices hold.
      </PageHead>
      <PagedTable<Template>
        label="templates"
        query={query}
        keyOf={(template) => template.id}
        columns={[
          {
            title: "Template",
            isLead: true,
            cell: (template) => (
              <Anchor component={Link} to={`/templates/${encodeURIComponent(template.id)}`} fw={600} className="break">
                {template.name}
              </Anchor>
            ),
          },
          { title: "Id", cell: (template) => <span className="mono small">{template.id}</span> },
          { title: "Created", cell: (template) => <When at={template.created_at} /> },
        ]}
        empty={
          <EmptyNote icon="template" title="No templates yet">
            Make one for each product, here or when you add its first device.
          </EmptyNote>
        }
      />
      {isAdding && (
        <NewTemplateDialog
          onClose={() => setAdding(false)}
          onCreated={({ id }) => void navigate({ to: "/templates/$templateId", params: { templateId: id } })}
        />
      )}
    </div>
  );
}
