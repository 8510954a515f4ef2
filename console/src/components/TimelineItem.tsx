import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { changeTimelineEntry, commentEntry } from "../api/actions";
import type { TimelineEntry } from "../api/types";
import { entryMark, entryName, entryTitle } from "../logic/timelineWords";
import { ProblemNote } from "./ProblemNote";
import { StatusMark } from "./StatusMark";
import { TimelineTextForm } from "./TimelineTextForm";
import { When } from "./When";

type Props = { deviceId: string; entry: TimelineEntry };

/** One entry of a timeline, with what people made of it. */
export function TimelineItem({ deviceId, entry }: Props) {
  const title = entryTitle(entry);
  return (
    <li>
      <StatusMark mark={entryMark(entry.type)} />
      <div className="timeline-body">
        {title && <strong>{title}</strong>}
        {entry.description && <span className="timeline-text">{entry.description}</span>}
        {entry.resolved_at && (
          <span className="soft small">
            Resolved by {entry.resolved_by ?? "somebody"} <When at={entry.resolved_at} />
          </span>
        )}
        {entry.comments.length > 0 && (
          <ul className="timeline-comments" aria-label="Comments">
            {entry.comments.map((comment, index) => (
              <li key={`${comment.at} ${index}`} className="small">
                <span className="timeline-text">{comment.text}</span>{" "}
                <span className="soft nowrap">
                  {comment.actor}, <When at={comment.at} />
                </span>
              </li>
            ))}
          </ul>
        )}
        <Actions deviceId={deviceId} entry={entry} />
      </div>
      <span className="soft small">
        <When at={entry.at} />
      </span>
    </li>
  );
}

function Actions({ deviceId, entry }: Props) {
  const queries = useQueryClient();
  const [isCommenting, setCommenting] = useState(false);
  const change = useMutation({
    mutationFn: (changes: { resolved?: boolean; archived?: boolean }) => changeTimelineEntry(deviceId, entry.id, changes),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["timeline", deviceId] }),
  });
  const name = entryName(entry);
  const isResolved = entry.resolved_at != null;
  const resolve = isResolved ? "Open again" : "Resolve";
  const archive = entry.archived ? "Bring back" : "Archive";
  const look = { size: "compact-xs", variant: "subtle" } as const;
  return (
    <>
      <div className="timeline-actions">
        {entry.can_be_resolved && (
          <Button
            {...look}
            aria-label={`${resolve}: ${name}`}
            disabled={change.isPending}
            onClick={() => change.mutate({ resolved: !isResolved })}
          >
            {resolve}
          </Button>
        )}
        <Button {...look} aria-label={`Comment: ${name}`} disabled={isCommenting} onClick={() => setCommenting(true)}>
          Comment
        </Button>
        <Button
          {...look}
          aria-label={`${archive}: ${name}`}
          disabled={change.isPending}
          onClick={() => change.mutate({ archived: !entry.archived })}
        >
          {archive}
        </Button>
      </div>
      {change.error && <ProblemNote error={change.error} />}
      {isCommenting && (
        <TimelineTextForm
          deviceId={deviceId}
          label="Comment"
          submit="Save the comment"
          send={(text) => commentEntry(deviceId, entry.id, text)}
          onClose={() => setCommenting(false)}
        />
      )}
    </>
  );
}
