import { Button, SegmentedControl } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { deleteNotification, retryNotification } from "../api/actions";
import { notificationsQuery } from "../api/queries";
import type { Notification, NotificationState } from "../api/types";
import { DeleteDialog } from "../components/DeleteDialog";
import { DeviceLink } from "../components/DeviceLink";
import { EmptyNote } from "../components/EmptyNote";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { When } from "../components/When";
import "../styles/notifications.css";

export function NotificationsPage() {
  const [state, setState] = useState<NotificationState>("dead");
  const [doomed, setDoomed] = useState<Notification | null>(null);
  const query = useInfiniteQuery(notificationsQuery(state));
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: retryNotification,
    // It may have been delivered in the meantime: show what is left either way.
    onSettled: () => queries.invalidateQueries({ queryKey: ["notifications"] }),
  });
  return (
    <div className="page">
      <PageHead title="Notifications">
        E-mails and webhook calls that were not delivered. What arrived is not kept.
      </PageHead>
      <div>
        <SegmentedControl
          aria-label="Which notifications"
          value={state}
          onChange={(value) => setState(value === "waiting" ? "waiting" : "dead")}
          data={[
            { value: "dead", label: "Given up" },
            { value: "waiting", label: "Waiting" },
          ]}
        />
      </div>
      {retry.error && <ProblemNote error={retry.error} />}
      <PagedTable<Notification>
        label={state === "dead" ? "notifications that were given up" : "notifications that wait"}
        query={query}
        keyOf={({ id }) => String(id)}
        columns={[
          { title: "Subject", isLead: true, cell: ({ subject }) => <strong className="break">{subject}</strong> },
          { title: "Device", cell: ({ device_id }) => <DeviceLink id={device_id} /> },
          { title: "To", cell: (notification) => <Target text={targetText(notification)} /> },
          { title: "Made", cell: ({ created_at }) => <When at={created_at} /> },
          { title: "Last failure", cell: (notification) => <LastFailure notification={notification} /> },
          {
            title: "",
            cell: (notification) => (
              <span className="row-actions">
                <Button
                  size="xs"
                  variant="default"
                  aria-label={`Try again: ${notification.subject} to ${targetText(notification)}`}
                  disabled={retry.isPending}
                  onClick={() => retry.mutate(notification.id)}
                >
                  {state === "dead" ? "Try again" : "Try now"}
                </Button>
                <Button
                  size="xs"
                  variant="subtle"
                  color="red"
                  aria-label={`Delete: ${notification.subject} to ${targetText(notification)}`}
                  onClick={() => setDoomed(notification)}
                >
                  Delete
                </Button>
              </span>
            ),
          },
        ]}
        empty={<Nothing state={state} />}
      />
      {doomed && (
        <DeleteDialog
          title="Delete this notification?"
          confirm="Delete it"
          remove={() => deleteNotification(doomed.id)}
          queryKey={["notifications"]}
          onClose={() => setDoomed(null)}
        >
          <p className="break">
            “{doomed.subject}” will not reach {targetText(doomed)}. The device’s timeline stays as it is.
          </p>
        </DeleteDialog>
      )}
    </div>
  );
}

function targetText({ email, webhook_id }: Notification): string {
  return email ?? `webhook ${webhook_id ?? "that is gone"}`;
}

/** An address that does not fit breaks behind its `@` first. */
function Target({ text }: { text: string }) {
  const [name, host] = text.split("@");
  return (
    <span className="notification-target break">
      {host === undefined ? (
        name
      ) : (
        <>
          {name}@<wbr />
          {host}
        </>
      )}
    </span>
  );
}

function LastFailure({ notification }: { notification: Notification }) {
  const { attempts, last_error, next_attempt_at } = notification;
  const times = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  return (
    <span className="small">
      {last_error ? <span className="break">{last_error} </span> : null}
      <span className="soft">
        {attempts === 0 ? "None yet" : `After ${times}`}
        {next_attempt_at && (
          <>
            , next <When at={next_attempt_at} />
          </>
        )}
      </span>
    </span>
  );
}

function Nothing({ state }: { state: NotificationState }) {
  if (state === "waiting") {
    return (
      <EmptyNote icon="bell" title="Nothing waits">
        E-mails and webhook calls stand here until they are delivered or given up.
      </EmptyNote>
    );
  }
  return (
    <EmptyNote icon="bell" title="Nothing was given up">
      An e-mail or a webhook call that failed at its last attempt would stand here, with the reason.
    </EmptyNote>
  );
}
