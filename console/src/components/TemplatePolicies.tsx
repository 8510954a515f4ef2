import { SegmentedControl } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { setReclaimPolicy } from "../api/actions";
import { templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { ProblemNote } from "./ProblemNote";

/** What becomes of boards that somebody sets up anew although their owner did not release them, per template. */
export function TemplatePolicies() {
  const query = useQuery(templatesQuery);
  const templates = query.data?.items ?? [];
  if (templates.length === 0) return null;
  return (
    <section className="card stack" aria-labelledby="policies-title">
      <h2 id="policies-title">Boards that were not released</h2>
      <p className="soft">
        An open template lets whoever holds a board set it up anew; the audit tells you. A locked one refuses until you
        release the board, so a stolen one is of no use.
      </p>
      {templates.map((template) => (
        <PolicyRow key={template.id} template={template} />
      ))}
    </section>
  );
}

function PolicyRow({ template }: { template: Template }) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (reclaim: Template["reclaim"]) => setReclaimPolicy(template.id, reclaim),
    onSuccess: () => queries.invalidateQueries({ queryKey: templatesQuery.queryKey }),
  });
  return (
    <div className="stack tight">
      <div className="row">
        <span className="grow break">{template.name}</span>
        <SegmentedControl
          aria-label={`Boards of ${template.name} that were not released`}
          value={template.reclaim}
          disabled={change.isPending}
          onChange={(value) => change.mutate(value as Template["reclaim"])}
          data={[
            { value: "open", label: "Open" },
            { value: "locked", label: "Locked" },
          ]}
        />
      </div>
      {change.error && <ProblemNote error={change.error} />}
    </div>
  );
}
