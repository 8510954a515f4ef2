import { Checkbox, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { devicesQuery } from "../api/queries";
import type { Device } from "../api/types";
import { deviceLabel } from "../logic/deviceNames";
import { matchesSearch } from "../logic/searchText";
import "../styles/firmware.css";
import { ProblemNote } from "./ProblemNote";

type Props = { templateId: string; value: string[]; onChange: (ids: string[]) => void };

/** Devices listed at once; a search brings the others. */
const SHOWN_MAX = 200;

/** Chooses devices of one template. */
export function DevicePicker({ templateId, value, onChange }: Props) {
  const query = useInfiniteQuery(devicesQuery);
  const [search, setSearch] = useState("");
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  // Devices of one template may be on any page, so all of them are fetched.
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (query.isError && !query.data) return <ProblemNote error={query.error} onRetry={() => void query.refetch()} />;

  const all = query.data?.pages.flatMap(({ items }) => items) ?? [];
  const fitting = all.filter((device) => device.template_id === templateId && mayGetFirmware(device));
  const found = fitting.filter((device) => matchesSearch(search, searchable(device)));
  const isLoading = query.isPending || hasNextPage;
  return (
    <fieldset className="plain-fieldset">
      <legend>Devices ({value.length} chosen)</legend>
      <div className="stack tight">
        {fitting.length > 8 && (
          <TextInput
            aria-label="Search devices"
            placeholder="Search by name, id or version"
            type="search"
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
        )}
        <div className="device-picks" tabIndex={0} role="group" aria-label="Devices of the template">
          {found.slice(0, SHOWN_MAX).map((device) => (
            <Checkbox
              key={device.id}
              label={deviceLabel(device)}
              description={device.firmware?.version ? `runs ${device.firmware.version}` : "has not said what it runs"}
              checked={value.includes(device.id)}
              onChange={(event) =>
                onChange(event.currentTarget.checked ? [...value, device.id] : value.filter((id) => id !== device.id))
              }
            />
          ))}
          {isLoading && <span className="soft small">Loading devices…</span>}
          {!isLoading && fitting.length === 0 && <span className="soft small">This template has no devices yet.</span>}
          {fitting.length > 0 && found.length === 0 && <span className="soft small">No device matches.</span>}
          {found.length > SHOWN_MAX && (
            <span className="soft small">{found.length - SHOWN_MAX} more; search to see them.</span>
          )}
        </div>
      </div>
    </fieldset>
  );
}

function searchable(device: Device) {
  return [device.name, device.hotspot_name, device.id, device.firmware?.version];
}

/** A device that is being released, or was, gets nothing any more; the server refuses it. */
function mayGetFirmware({ ownership }: Device): boolean {
  return ownership === "reserved" || ownership === "owned";
}
