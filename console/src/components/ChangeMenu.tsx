import { Button, Menu } from "@mantine/core";

import { Icon } from "./Icon";

/** The menu of what can be done to the thing of a page. */
export function ChangeMenu({
  remove,
  onRename,
  onRemove,
}: {
  /** What removing it is called. */
  remove: string;
  onRename: () => void;
  onRemove: () => void;
}) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" rightSection={<Icon name="more" size={18} />}>
          Change
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Icon name="pencil" size={16} />} onClick={onRename}>
          Rename…
        </Menu.Item>
        <Menu.Item color="red" leftSection={<Icon name="trash" size={16} />} onClick={onRemove}>
          {remove}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
