import { Anchor, Button } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { sessionsQuery, templatesQuery } from "../api/queries";
import type { ProvisioningSession } from "../api/types";
import { EmptyNote } from "../components/EmptyNote";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { StatusMark } from "../components/StatusMark";
import { useNow } from "../components/useNow";
import { When } from "../components/When";
import { sessionMark } from "../logic/sessionState";

export function SessionsPage() {
  const query = useInfiniteQuery(sessionsQuery);
  const templates = useQuery(templatesQuery).data?.items ?? [];
  const now_ms = useNow(5_000);
  const templateName = (id: string) => templates.find((template) => template.id === id)?.name ?? id;
  return (
    <div className="page">
      <PageHead
        title="Setups"
        actions={
          <Button component={Link} to="/add">
            Add a device
          </Button>
        }
      >
        Every attempt to set up a board, with how far it came.
      </PageHead>
      <PagedTable<ProvisioningSession>
        label="setups"
        query={query}
        keyOf={(session) => session.id}
        columns={[
          {
            title: "Setup",
            isLead: true,
            cell: (session) => (
              <Anchor component={Link} to={`/sessions/${encodeURIComponent(session.id)}`} fw={600}>
                {templateName(session.template_id)}
              </Anchor>
            ),
          },
          { title: "State", cell: (session) => <StatusMark mark={sessionMark(session, now_ms)} /> },
          { title: "Latest step", cell: (session) => session.steps.at(-1)?.message ?? "None yet" },
          { title: "Started", cell: (session) => <When at={session.created_at} /> },
        ]}
        empty={
          <EmptyNote icon="setup" title="No setups yet">
            Each time you add a device, the steps of its setup are kept here.
          </EmptyNote>
        }
      />
    </div>
  );
}
