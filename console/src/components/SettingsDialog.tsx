import { Button, Modal } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { ProblemNote } from "./ProblemNote";

type Props<Answer> = {
  title: string;
  /** What is missing before it can be saved. */
  missing: string | null;
  save: () => Promise<Answer>;
  /** Null where there is nothing to take away. */
  removal: { label: string; send: () => Promise<Answer> } | null;
  /** Brings what is shown behind the dialog up to date before it closes. */
  refresh: (answer: Answer) => unknown;
  onClose: () => void;
  children: ReactNode;
};

/** The frame of a form that adds, changes or takes away one setting of a template. */
export function SettingsDialog<Answer>({ title, missing, save, removal, refresh, onClose, children }: Props<Answer>) {
  // One for both: neither starts while the other is under way, and the problem shown is that of the latest.
  const change = useMutation({
    mutationFn: ({ send }: { name: "save" | "remove"; send: () => Promise<Answer> }) => send(),
    onSuccess: async (answer) => {
      await refresh(answer);
      onClose();
    },
  });
  const pending = change.isPending ? change.variables.name : null;
  return (
    <Modal opened onClose={onClose} title={title} size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing) change.mutate({ name: "save", send: save });
        }}
      >
        {change.error && <ProblemNote error={change.error} />}
        {children}
        {missing && <p className="soft small">{missing}</p>}
        <div className="row">
          <Button type="submit" loading={pending === "save"} disabled={missing !== null || pending === "remove"}>
            Save
          </Button>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          {removal && (
            <Button
              variant="subtle"
              color="red"
              loading={pending === "remove"}
              disabled={pending === "save"}
              onClick={() => change.mutate({ name: "remove", send: removal.send })}
            >
              {removal.label}
            </Button>
          )}
        </div>
      </form>
    </Modal>
  );
}
