import { useMutation, useQueryClient, type QueryKey } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { ConfirmDialog } from "./ConfirmDialog";

type Props = {
  title: string;
  /** What the button that deletes says. */
  confirm: string;
  remove: () => Promise<unknown>;
  /** What is read again before the dialog closes. */
  queryKey: QueryKey;
  onClose: () => void;
  children: ReactNode;
};

/** Asks once, then deletes for good. */
export function DeleteDialog({ title, confirm, remove, queryKey, onClose, children }: Props) {
  const queries = useQueryClient();
  const removal = useMutation({
    mutationFn: remove,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      title={title}
      confirm={confirm}
      keep="Keep it"
      isDangerous
      isPending={removal.isPending}
      error={removal.error}
      onConfirm={() => removal.mutate()}
      onClose={onClose}
    >
      {children}
    </ConfirmDialog>
  );
}
