import { Button, Select, Skeleton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { writeNote } from "../api/actions";
import { timelineQuery } from "../api/queries";
import type { Device } from "../api/types";
import { ENTRY_TYPES, SHOWN_CHOICES, timelineFilter } from "../logic/timelineWords";
import "../styles/timeline.css";
import { ProblemNote } from "./ProblemNote";
import { TimelineItem } from "./TimelineItem";
import { TimelineTextForm } from "./TimelineTextForm";

/** What happened to the device, newest first. Live updates keep it true. */
export function TimelinePanel({ device }: { device: Device }) {
  const [type, setType] = useState("");
  const [shown, setShown] = useState("all");
  const [isWriting, setWriting] = useState(false);
  const query = useInfiniteQuery(timelineQuery(device.id, timelineFilter(type, shown)));
  const entries = query.data?.pages.flatMap(({ items }) => items) ?? [];
  const isFiltered = type !== "" || shown !== "all";
  return (
    <section className="card" aria-labelledby="timeline-title">
      <div className="card-head">
        <h2 id="timeline-title">Timeline</h2>
        <Button size="xs" variant="default" onClick={() => setWriting(true)} disabled={isWriting}>
          Write a note
        </Button>
      </div>
      {isWriting && (
        <TimelineTextForm
          deviceId={device.id}
          label="Note"
          submit="Save the note"
          send={(text) => writeNote(device.id, text)}
          onClose={() => setWriting(false)}
        />
      )}
      <div className="timeline-filters">
        <Select
          size="xs"
          label="Type"
          data={[{ value: "", label: "Every type" }, ...ENTRY_TYPES]}
          value={type}
          onChange={(value) => setType(value ?? "")}
        />
        <Select
          size="xs"
          label="Show"
          data={SHOWN_CHOICES}
          value={shown}
          onChange={(value) => setShown(value ?? "all")}
        />
      </div>
      {query.isPending && <Skeleton height={90} radius="md" aria-label="Loading the timeline" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && entries.length === 0 && (
        <p className="soft">
          {isFiltered
            ? "No entry matches."
            : "Nothing has happened yet. Events of the template, comings and goings, and your notes stand here."}
        </p>
      )}
      {entries.length > 0 && (
        <ol className="timeline" aria-label="Timeline, newest first">
          {entries.map((entry) => (
            <TimelineItem key={entry.id} deviceId={device.id} entry={entry} />
          ))}
        </ol>
      )}
      {query.hasNextPage && (
        <Button size="xs" variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Show older ones
        </Button>
      )}
    </section>
  );
}
