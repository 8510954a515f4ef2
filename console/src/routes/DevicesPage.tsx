import { Anchor, Button, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { devicesQuery } from "../api/queries";
import type { Device } from "../api/types";
import { EmptyNote } from "../components/EmptyNote";
import { Icon } from "../components/Icon";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { StatusMark } from "../components/StatusMark";
import { When } from "../components/When";
import { boardMark } from "../logic/deviceNames";
import { deviceStatus } from "../logic/deviceStatus";
import { matchesSearch } from "../logic/searchText";

const COLUMNS = [
  {
    title: "Device",
    isLead: true,
    cell: (device: Device) => (
      <div>
        <Anchor component={Link} to={`/devices/${encodeURIComponent(device.id)}`} fw={600} className="break">
          {device.name}
        </Anchor>
        <BoardMark device={device} />
      </div>
    ),
  },
  { title: "State", cell: (device: Device) => <StatusMark mark={deviceStatus(device)} /> },
  { title: "Template", cell: (device: Device) => <span className="break">{device.template_name}</span> },
  { title: "Firmware", cell: (device: Device) => device.firmware?.version ?? <span className="soft">unknown</span> },
  { title: "Last seen", cell: (device: Device) => <When at={device.last_seen_at} /> },
];

/** A line below the name, so that boards of the same name are no puzzle. */
function BoardMark({ device }: { device: Device }) {
  const mark = boardMark(device);
  return mark && <div className="soft small break">{mark}</div>;
}

export function DevicesPage() {
  const query = useInfiniteQuery(devicesQuery);
  const [search, setSearch] = useState("");
  const isSearching = search.trim() !== "";
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  // A search looks at every device, so the pages not yet loaded are fetched while somebody searches.
  useEffect(() => {
    if (isSearching && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [isSearching, hasNextPage, isFetchingNextPage, fetchNextPage]);

  const count = query.data?.pages.reduce((sum, page) => sum + page.items.length, 0) ?? 0;
  return (
    <div className="page">
      <PageHead
        title="Devices"
        actions={
          <Button component={Link} to="/add" leftSection={<Icon name="plus" size={18} />}>
            Add a device
          </Button>
        }
      />
      {count > 0 && (
        <TextInput
          aria-label="Search devices"
          placeholder="Search by name, template, firmware or id"
          leftSection={<Icon name="search" size={17} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          maw={420}
          type="search"
        />
      )}
      <PagedTable
        label="devices"
        query={query}
        columns={COLUMNS}
        keyOf={(device) => device.id}
        filter={isSearching ? (device) => matchesSearch(search, searchable(device)) : undefined}
        noMatch={
          <EmptyNote icon="search" title="No device matches">
            Nothing here contains “{search.trim()}”.
          </EmptyNote>
        }
        empty={
          <EmptyNote
            icon="devices"
            title="No devices yet"
            action={
              <Button component={Link} to="/add">
                Add your first device
              </Button>
            }
          >
            Add a board: you choose its product, join its hotspot with your phone and give it your Wi-Fi.
          </EmptyNote>
        }
      />
    </div>
  );
}

function searchable(device: Device) {
  return [
    device.name,
    device.template_name,
    device.template_id,
    device.id,
    device.uid,
    device.hotspot_name,
    device.firmware?.version,
    device.firmware?.board,
    deviceStatus(device).label,
  ];
}
