import { Anchor, Button, Skeleton } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { cancelProvisioning } from "../api/actions";
import { provisioningQuery } from "../api/queries";
import type { ProvisioningSession, ProvisioningStep } from "../api/types";
import { codeMeaning } from "../logic/errorCodes";
import { sessionMark } from "../logic/sessionState";
import { absoluteTime, clockTime, countdown } from "../logic/timeText";
import "../styles/setup.css";
import { Icon } from "./Icon";
import { ProblemNote } from "./ProblemNote";
import { StatusMark } from "./StatusMark";
import { useNow } from "./useNow";

type Props = {
  sessionId: string;
  /** Offered when the session ended without a device. */
  onAgain?: () => void;
};

/** Follows a provisioning session: its steps, the time left, and the device at the end. */
export function SessionProgress({ sessionId, onAgain }: Props) {
  const query = useQuery(provisioningQuery(sessionId));
  if (query.isPending) return <Skeleton height={120} radius="md" aria-label="Loading the setup" />;
  if (!query.data) return <ProblemNote error={query.error} onRetry={() => void query.refetch()} />;
  return <Progress session={query.data} onAgain={onAgain} />;
}

function Progress({ session, onAgain }: { session: ProvisioningSession; onAgain?: () => void }) {
  const now_ms = useNow();
  const mark = sessionMark(session, now_ms);
  const isWaiting = mark.tone === "wait";
  const left = countdown(session.expires_at, now_ms);
  return (
    <div className="stack" data-testid="session-progress" data-state={session.state}>
      <div className="row spread">
        <StatusMark mark={mark} />
        {isWaiting && left && (
          <span className="soft small" title={`Ends at ${absoluteTime(session.expires_at)}`}>
            {left} left
          </span>
        )}
      </div>
      <ol className="session-steps" aria-live="polite">
        {session.steps.map((step, index) => (
          <StepLine key={`${step.at} ${index}`} step={step} />
        ))}
        {isWaiting && (
          <li className="waiting">
            <span className="soft">Waiting for the board’s first connection…</span>
          </li>
        )}
      </ol>
      <Outcome session={session} label={mark.label} onAgain={onAgain} />
      {isWaiting && <Cancel sessionId={session.id} />}
    </div>
  );
}

function StepLine({ step }: { step: ProvisioningStep }) {
  const meaning = codeMeaning(step.code);
  return (
    <li className={meaning ? "failed" : "done"}>
      <span className="row spread">
        <span>{step.message}</span>
        <time className="soft small mono" dateTime={step.at}>
          {clockTime(step.at)}
        </time>
      </span>
      {meaning && (
        <span className="small">
          {meaning.what} {meaning.next}
        </span>
      )}
    </li>
  );
}

function Outcome(props: { session: ProvisioningSession; label: string; onAgain?: () => void }) {
  const { session } = props;
  if (session.state === "claimed" && session.device_id) {
    return (
      <div className="verdict safe">
        <Icon name="check" size={26} />
        <div className="stack tight">
          <strong>The board is yours</strong>
          <Anchor component={Link} to={`/devices/${encodeURIComponent(session.device_id)}`} fw={600}>
            Open the device
          </Anchor>
        </div>
      </div>
    );
  }
  if (props.label === "Waiting for the board" || session.state === "claimed") return null;
  return (
    <div className="notice wait stack tight">
      <span>
        {session.state === "cancelled"
          ? "This setup was cancelled; its token no longer works."
          : "Time ran out before the board connected; the token no longer works. Nothing has changed on the board."}
      </span>
      {props.onAgain && (
        <div>
          <Button size="xs" variant="default" onClick={props.onAgain}>
            Start again
          </Button>
        </div>
      )}
    </div>
  );
}

function Cancel({ sessionId }: { sessionId: string }) {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelProvisioning(sessionId),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: provisioningQuery(sessionId).queryKey });
      void queries.invalidateQueries({ queryKey: ["provisioning-sessions"] });
    },
  });
  return (
    <div className="stack tight">
      {cancel.error && <ProblemNote error={cancel.error} />}
      <div>
        <Button size="xs" variant="subtle" color="gray" loading={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel this setup
        </Button>
      </div>
    </div>
  );
}
