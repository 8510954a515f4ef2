import { Button } from "@mantine/core";

import { asProblem } from "../api/problem";
import { Icon } from "./Icon";

/** Says what went wrong and what to do next. */
export function ProblemNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const problem = asProblem(error);
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <div className="grow stack tight">
        <strong>{problem.message}</strong>
        {problem.detail && <span>{problem.detail}</span>}
        {problem.advice && <span className="soft">{problem.advice}</span>}
      </div>
      {onRetry && (
        <Button size="xs" variant="default" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
