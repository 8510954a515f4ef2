import { useInfiniteQuery } from "@tanstack/react-query";

import { auditQuery } from "../api/queries";
import type { AuditEntry } from "../api/types";
import { EmptyNote } from "../components/EmptyNote";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { When } from "../components/When";

export function AuditPage() {
  const query = useInfiniteQuery(auditQuery);
  return (
    <div className="page">
      <PageHead title="Audit">Who did what, and when.</PageHead>
      <PagedTable<AuditEntry>
        label="audit entries"
        query={query}
        keyOf={(entry) => `${entry.at} ${entry.actor} ${entry.action} ${entry.subject} ${entry.detail}`}
        columns={[
          { title: "Action", isLead: true, cell: (entry) => <strong>{entry.action}</strong> },
          { title: "When", cell: (entry) => <When at={entry.at} /> },
          { title: "Who", cell: (entry) => entry.actor },
          { title: "On what", cell: (entry) => <span className="mono small break">{entry.subject}</span> },
          { title: "Detail", cell: (entry) => <span className="break">{entry.detail}</span> },
        ]}
        empty={
          <EmptyNote icon="history" title="Nothing yet">
            Sign-ins, new devices, releases and deletions are written down here.
          </EmptyNote>
        }
      />
    </div>
  );
}
