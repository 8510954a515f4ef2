import { Button, Modal } from "@mantine/core";
import type { ReactNode } from "react";

import { ProblemNote } from "./ProblemNote";

type Props = {
  title: string;
  children: ReactNode;
  /** What the button that does it says. */
  confirm: string;
  /** What the button that leaves everything as it is says. */
  keep: string;
  isDangerous?: boolean;
  isPending: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
};

/** Asks once before something is done that is hard to take back. */
export function ConfirmDialog(props: Props) {
  return (
    <Modal opened onClose={props.onClose} title={props.title}>
      <div className="stack">
        {props.error ? <ProblemNote error={props.error} /> : null}
        {props.children}
        <div className="row">
          <Button color={props.isDangerous ? "red" : undefined} loading={props.isPending} onClick={props.onConfirm}>
            {props.confirm}
          </Button>
          <Button variant="default" onClick={props.onClose}>
            {props.keep}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
