import { Button, Menu } from "@mantine/core";
import { useState } from "react";

import { exportAddress } from "../api/addresses";
import type { Device } from "../api/types";
import { EraseHistoryDialog } from "./EraseHistoryDialog";
import { Icon } from "./Icon";
import { ImportHistoryDialog } from "./ImportHistoryDialog";

/** What can be done with the history of all pins at once. */
export function DeviceDataMenu({ device }: { device: Device }) {
  const [dialog, setDialog] = useState<"import" | "erase" | null>(null);
  const close = () => setDialog(null);
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default" rightSection={<Icon name="more" size={16} />}>
            History
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            component="a"
            href={exportAddress(device.id, {})}
            download={`${device.name}.csv`}
            leftSection={<Icon name="download" size={16} />}
          >
            Download all of it as CSV
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="plus" size={16} />} onClick={() => setDialog("import")}>
            Import a CSV file…
          </Menu.Item>
          <Menu.Item color="red" leftSection={<Icon name="trash" size={16} />} onClick={() => setDialog("erase")}>
            Erase all of it…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {dialog === "import" && <ImportHistoryDialog device={device} onClose={close} />}
      {dialog === "erase" && <EraseHistoryDialog device={device} pin={null} name={device.name} shown={null} onClose={close} />}
    </>
  );
}
