import { Anchor } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { templateListQuery } from "../api/queries";
import type { Template } from "../api/types";
import { EmptyNote } from "../components/EmptyNote";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { When } from "../components/When";

export function TemplatesPage() {
  const query = useInfiniteQuery(templateListQuery);
  return (
    <div className="page">
      <PageHead title="Templates">
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
            A template is made when the first device of a product is added.
          </EmptyNote>
        }
      />
    </div>
  );
}
