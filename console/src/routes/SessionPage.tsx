import { Anchor } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";

import { Icon } from "../components/Icon";
import { PageHead } from "../components/PageHead";
import { SessionProgress } from "../components/SessionProgress";

export function SessionPage() {
  const { sessionId } = useParams({ from: "/sessions/$sessionId" });
  return (
    <div className="page">
      <div>
        <Anchor component={Link} to="/sessions" className="row small" display="inline-flex" style={{ gap: 4 }}>
          <Icon name="back" size={16} />
          Setups
        </Anchor>
      </div>
      <PageHead title="Setup">
        Its token was shown once, when it was opened. <span className="mono small break">{sessionId}</span>
      </PageHead>
      <section className="card" aria-label="Steps">
        <SessionProgress sessionId={sessionId} />
      </section>
    </div>
  );
}
