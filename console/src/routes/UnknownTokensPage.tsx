import { useInfiniteQuery } from "@tanstack/react-query";

import { unknownTokensQuery } from "../api/queries";
import type { UnknownToken } from "../api/types";
import { EmptyNote } from "../components/EmptyNote";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { When } from "../components/When";

export function UnknownTokensPage() {
  const query = useInfiniteQuery(unknownTokensQuery);
  return (
    <div className="page">
      <PageHead title="Unknown tokens">
        Boards that tried to log in with a token this server does not know. They are told to try later and keep their
        home. Most often a token was mistyped: set the board up again.
      </PageHead>
      <PagedTable<UnknownToken>
        label="unknown tokens"
        query={query}
        keyOf={(token) => token.fingerprint}
        columns={[
          { title: "Fingerprint", isLead: true, cell: (token) => <span className="mono">{token.fingerprint}</span> },
          { title: "From", cell: (token) => <span className="mono small">{token.remote}</span> },
          { title: "Attempts", cell: (token) => token.attempts },
          { title: "First seen", cell: (token) => <When at={token.first_seen_at} /> },
          { title: "Last seen", cell: (token) => <When at={token.last_seen_at} /> },
        ]}
        empty={
          <EmptyNote icon="key" title="No unknown tokens">
            Every board that knocked had a token this server knows.
          </EmptyNote>
        }
      />
    </div>
  );
}
