import { Button, Menu } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { deleteTemplate, renameTemplate } from "../api/actions";
import { devicesQuery, templateQuery, templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { DeleteDialog } from "./DeleteDialog";
import { Icon } from "./Icon";
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
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" rightSection={<Icon name="more" size={18} />}>
            Change
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="pencil" size={16} />} onClick={() => setDialog("rename")}>
            Rename…
          </Menu.Item>
          <Menu.Item color="red" leftSection={<Icon name="trash" size={16} />} onClick={() => setDialog("delete")}>
            Delete…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
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
