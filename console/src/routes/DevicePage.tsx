import { Anchor, Skeleton } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { renameDevice } from "../api/actions";
import { deviceQuery } from "../api/queries";
import type { Device } from "../api/types";
import { ChangeMenu } from "../components/ChangeMenu";
import { DatastreamPanel } from "../components/DatastreamPanel";
import { DeviceOrders } from "../components/DeviceOrders";
import { DeviceShipments } from "../components/DeviceShipments";
import { FilesPanel } from "../components/FilesPanel";
import { ForcedDeleteDialog } from "../components/ForcedDeleteDialog";
import { Icon } from "../components/Icon";
import { LifecycleMark } from "../components/LifecycleMark";
import { MetadataPanel } from "../components/MetadataPanel";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { ReleasePanel } from "../components/ReleasePanel";
import { RenameDialog } from "../components/RenameDialog";
import { StatusMark } from "../components/StatusMark";
import { TimelinePanel } from "../components/TimelinePanel";
import { When } from "../components/When";
import { deviceStatus } from "../logic/deviceStatus";

export function DevicePage() {
  const { deviceId } = useParams({ from: "/devices/$deviceId" });
  const query = useQuery(deviceQuery(deviceId));
  return (
    <div className="page">
      <BackLink />
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton height={180} radius="md" aria-label="Loading the device" />}
      {query.data && <DeviceDetails device={query.data} />}
    </div>
  );
}

function BackLink() {
  return (
    <div>
      <Anchor component={Link} to="/devices" className="row small" display="inline-flex" style={{ gap: 4 }}>
        <Icon name="back" size={16} />
        Devices
      </Anchor>
    </div>
  );
}

function DeviceDetails({ device }: { device: Device }) {
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"rename" | "delete" | null>(null);
  const close = () => setDialog(null);
  return (
    <>
      <PageHead
        title={device.name}
        actions={
          <>
            {device.on_bench && (
              <span className="mark" title="Its home is in RAM only: the next restart forgets it.">
                On the bench
              </span>
            )}
            <StatusMark mark={deviceStatus(device)} />
            <LifecycleMark device={device} />
            <ChangeMenu remove="Delete without wiping…" onRename={() => setDialog("rename")} onRemove={() => setDialog("delete")} />
          </>
        }
      >
        {[device.template_name, device.hotspot_name].filter(Boolean).join(" · ")}
      </PageHead>
      {!device.release && <DeviceShipments device={device} />}
      {device.release ? (
        <div className="columns">
          <ReleasePanel device={device} />
          <DeviceFacts device={device} />
        </div>
      ) : (
        <div className="columns">
          <div className="stack">
            <DatastreamPanel device={device} />
            <TimelinePanel device={device} />
            <FilesPanel device={device} />
          </div>
          <div className="stack">
            <ReleasePanel device={device} />
            <DeviceFacts device={device} />
            <MetadataPanel device={device} />
            <DeviceOrders device={device} />
          </div>
        </div>
      )}
      <RenameDialog
        key={`rename-${dialog}`}
        title="Rename device"
        name={device.name}
        opened={dialog === "rename"}
        rename={(name) => renameDevice(device.id, name)}
        onRenamed={(renamed) => {
          queries.setQueryData(deviceQuery(device.id).queryKey, renamed);
          void queries.invalidateQueries({ queryKey: ["devices"] });
        }}
        onClose={close}
      />
      <ForcedDeleteDialog key={`delete-${dialog}`} device={device} opened={dialog === "delete"} onClose={close} />
    </>
  );
}

function DeviceFacts({ device }: { device: Device }) {
  const { firmware } = device;
  const facts: [name: string, value: string | null | undefined][] = [
    ["Hotspot", device.hotspot_name],
    ["Firmware", firmware?.version],
    ["Firmware type", firmware?.kind],
    ["Built", firmware?.build],
    ["Board", firmware?.board],
    ["Blynk library", firmware?.library],
    ["Heartbeat", firmware?.heartbeat_s ? `every ${firmware.heartbeat_s} s` : null],
    ["Ownership", `${device.ownership}, epoch ${device.epoch}`],
    ["Template", device.template_id],
    ["Hardware id", device.uid],
    ["Device id", device.id],
  ];
  return (
    <section className="card" aria-labelledby="facts-title">
      <div className="card-head">
        <h2 id="facts-title">About this device</h2>
      </div>
      <dl className="facts">
        <dt>Last seen</dt>
        <dd>
          <When at={device.last_seen_at} />
        </dd>
        <dt>Added</dt>
        <dd>
          <When at={device.created_at} />
        </dd>
        {facts.map(([name, value]) => (value ? <Fact key={name} name={name} value={value} /> : null))}
      </dl>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
