import { Button, Checkbox, NumberInput, Skeleton } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { putLifecycle } from "../api/actions";
import { lifecycleQuery } from "../api/queries";
import type { ConnectionLifecycle } from "../api/types";
import { notifyingText } from "../logic/eventForm";
import { IGNORE_S_MAX, statusesOf, takesAnother, waitText } from "../logic/lifecycleForm";
import "../styles/timeline.css";
import { ColumnTable } from "./ColumnTable";
import { Icon } from "./Icon";
import { ProblemNote } from "./ProblemNote";
import { StatusDialog } from "./StatusDialog";

/** Seconds proposed where absences of every length counted before. */
const IGNORE_S_PROPOSED = 300;

/** Which statuses the devices of the template have, and when. */
export function LifecyclePanel({ templateId }: { templateId: string }) {
  const query = useQuery(lifecycleQuery(templateId));
  const [edited, setEdited] = useState<number | null>(null);
  const lifecycle = query.data;
  return (
    <section className="card" aria-labelledby="lifecycle-title">
      <div className="card-head">
        <h2 id="lifecycle-title">Connection lifecycle</h2>
        {lifecycle && takesAnother(lifecycle) && (
          <Button
            variant="default"
            leftSection={<Icon name="plus" size={18} />}
            onClick={() => setEdited(statusesOf(lifecycle).length)}
          >
            Add a status
          </Button>
        )}
      </div>
      {query.isPending && <Skeleton height={120} radius="md" aria-label="Loading the lifecycle" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {lifecycle && (
        <div className="stack">
          <StatusTable lifecycle={lifecycle} onEdit={setEdited} />
          <Absences key={JSON.stringify(lifecycle)} templateId={templateId} lifecycle={lifecycle} />
        </div>
      )}
      {lifecycle && edited !== null && (
        <StatusDialog
          key={edited}
          templateId={templateId}
          lifecycle={lifecycle}
          place={edited}
          onClose={() => setEdited(null)}
        />
      )}
    </section>
  );
}

function StatusTable({ lifecycle, onEdit }: { lifecycle: ConnectionLifecycle; onEdit: (place: number) => void }) {
  return (
    <ColumnTable
      label="statuses"
      items={statusesOf(lifecycle).map((status, place) => ({ ...status, place }))}
      keyOf={({ place }) => String(place)}
      columns={[
        {
          title: "Status",
          isLead: true,
          className: "break",
          cell: ({ color, name }) => (
            <span className="lifecycle-status">
              <span className="lifecycle-dot" aria-hidden="true" style={{ background: color ?? "transparent" }} />
              <strong>{name}</strong>
            </span>
          ),
        },
        { title: "Applies", cell: (status) => waitText(status.place, status) },
        {
          title: "Timeline",
          cell: ({ show_on_timeline }) => (show_on_timeline ? "shown" : <span className="soft">not shown</span>),
        },
        { title: "Tells", className: "break", cell: ({ notifying }) => notifyingText(notifying) },
        {
          title: "",
          cell: ({ name, place }) => (
            <Button variant="default" size="xs" aria-label={`Edit ${name}`} onClick={() => onEdit(place)}>
              Edit
            </Button>
          ),
        },
      ]}
    />
  );
}

/** What counts as an absence, and what as being there. */
function Absences({ templateId, lifecycle }: { templateId: string; lifecycle: ConnectionLifecycle }) {
  const queries = useQueryClient();
  const stored_s = lifecycle.offline_ignore_s ?? null;
  const storedByData = lifecycle.online_when_data_is_reported ?? false;
  const [ignores, setIgnores] = useState(stored_s !== null);
  const [period, setPeriod] = useState<number | string>(stored_s ?? IGNORE_S_PROPOSED);
  const [byData, setByData] = useState(storedByData);
  const wanted_s = ignores && typeof period === "number" ? period : null;
  const save = useMutation({
    mutationFn: () =>
      putLifecycle(templateId, { ...lifecycle, offline_ignore_s: wanted_s, online_when_data_is_reported: byData }),
    onSuccess: (changed) => queries.setQueryData(lifecycleQuery(templateId).queryKey, changed),
  });
  const isIncomplete = ignores && typeof period !== "number";
  const isChanged = wanted_s !== stored_s || byData !== storedByData;
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      {save.error && <ProblemNote error={save.error} />}
      <Checkbox
        label="Leave short absences out"
        description="They are neither on the timeline nor told."
        checked={ignores}
        onChange={(event) => setIgnores(event.currentTarget.checked)}
      />
      {ignores && (
        <NumberInput
          label="Shorter than so many seconds"
          min={1}
          max={IGNORE_S_MAX}
          allowDecimal={false}
          hideControls
          maw={240}
          value={period}
          onChange={setPeriod}
        />
      )}
      <Checkbox
        label="Online when data is reported"
        description="A device that sends data over HTTP, without a connection, counts as connected at that moment."
        checked={byData}
        onChange={(event) => setByData(event.currentTarget.checked)}
      />
      {isChanged && (
        <div>
          <Button type="submit" size="xs" loading={save.isPending} disabled={isIncomplete}>
            Save
          </Button>
        </div>
      )}
    </form>
  );
}
