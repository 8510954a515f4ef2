import { Anchor } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { deviceQuery, devicesQuery } from "../api/queries";
import { deviceLabel } from "../logic/deviceNames";

/** A device by its name. Only those that are not in the list of devices, as far as it is loaded, are asked for. */
export function DeviceLink({ id }: { id: string }) {
  const list = useInfiniteQuery(devicesQuery);
  const listed = list.data?.pages.flatMap(({ items }) => items).find((device) => device.id === id);
  const single = useQuery({ ...deviceQuery(id), enabled: !list.isPending && !listed });
  const device = listed ?? single.data;
  return (
    <Anchor component={Link} to={`/devices/${encodeURIComponent(id)}`} inherit fw={600} className="break">
      {device ? deviceLabel(device) : id}
    </Anchor>
  );
}
