import { Button, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { ProblemNote } from "./ProblemNote";

/** Characters of a note or a comment at most. Source: the HTTP API. */
const TEXT_LEN_MAX = 500;

type Props = {
  deviceId: string;
  label: string;
  /** What the button that sends it says. */
  submit: string;
  send: (text: string) => Promise<unknown>;
  onClose: () => void;
};

/** Takes the text of a note or a comment. */
export function TimelineTextForm({ deviceId, label, submit, send, onClose }: Props) {
  const queries = useQueryClient();
  const [text, setText] = useState("");
  const write = useMutation({
    mutationFn: () => send(text.trim()),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["timeline", deviceId] });
      onClose();
    },
  });
  return (
    <form
      className="stack tight timeline-form"
      onSubmit={(event) => {
        event.preventDefault();
        write.mutate();
      }}
    >
      <Textarea
        size="sm"
        rows={3}
        label={label}
        maxLength={TEXT_LEN_MAX}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        autoFocus
      />
      <div className="row">
        <Button size="xs" type="submit" loading={write.isPending} disabled={text.trim() === ""}>
          {submit}
        </Button>
        <Button size="xs" variant="default" onClick={onClose}>
          Cancel
        </Button>
      </div>
      {write.error && <ProblemNote error={write.error} />}
    </form>
  );
}
