import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { deleteTemplate, renameTemplate } from "../api/actions";
import { devicesQuery, templateQuery, templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { ChangeMenu } from "./ChangeMenu";
import { DeleteDialog } from "./DeleteDialog";
import { RenameDialog } from "./RenameDialog";

/** Renames or deletes a template. */
export function TemplateMenu({ template }: { template: Template }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [dialog, setDialog] = useState<"rename" | "delete" | null>(null);
  const close = () => setDialog(null);
  const remove = async () => {
    await deleteTemplate(template.id);
    // Before the list is read again: this page must not ask for what is gone.
    await navigate({ to: "/templates" });
    queries.removeQueries({ queryKey: templateQuery(template.id).queryKey });
  };
  return (
    <>
      <ChangeMenu remove="Delete…" onRename={() => setDialog("rename")} onRemove={() => setDialog("delete")} />
      <RenameDialog
        key={`rename-${dialog}`}
        title="Rename template"
        name={template.name}
        note="Boards keep the name that was compiled into their firmware: their hotspots do not change."
        opened={dialog === "rename"}
        rename={(name) => renameTemplate(template.id, name)}
        onRenamed={(renamed) => {
          queries.setQueryData(templateQuery(template.id).queryKey, renamed);
          void queries.invalidateQueries({ queryKey: templatesQuery.queryKey });
          void queries.invalidateQueries({ queryKey: devicesQuery.queryKey });
        }}
        onClose={close}
      />
      {dialog === "delete" && (
        <DeleteDialog
          title={`Delete ${template.name}?`}
          confirm="Delete the template"
          remove={remove}
          queryKey={templatesQuery.queryKey}
          onClose={close}
        >
          <p>
            Its datastreams, events, recipients and webhooks go with it, and so do the setups that were made for it. A
            template that devices or shipments need cannot be deleted.
          </p>
        </DeleteDialog>
      )}
    </>
  );
}
