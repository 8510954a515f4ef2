import { Anchor, Skeleton } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";

import { deliveriesQuery, shipmentQuery, templatesQuery } from "../api/queries";
import type { Delivery, Shipment } from "../api/types";
import { DeviceLink } from "../components/DeviceLink";
import { EmptyNote } from "../components/EmptyNote";
import { Icon } from "../components/Icon";
import { PagedTable } from "../components/PagedTable";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { ShipmentActions } from "../components/ShipmentActions";
import { ShipmentProgress } from "../components/ShipmentProgress";
import { StatusMark } from "../components/StatusMark";
import { When } from "../components/When";
import { sizeText } from "../logic/fileSize";
import { deliveryWords, ruleText, shipmentExplanation, shipmentMark } from "../logic/shipmentWords";

export function ShipmentPage() {
  const { shipmentId } = useParams({ from: "/firmware/shipments/$shipmentId" });
  const query = useQuery(shipmentQuery(shipmentId));
  return (
    <div className="page">
      <div>
        <Anchor component={Link} to="/firmware" className="row small" display="inline-flex">
          <Icon name="back" size={16} />
          Firmware
        </Anchor>
      </div>
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton height={180} radius="md" aria-label="Loading the shipment" />}
      {query.data && <ShipmentDetails shipment={query.data} />}
    </div>
  );
}

function ShipmentDetails({ shipment }: { shipment: Shipment }) {
  return (
    <>
      <PageHead title={shipment.name} actions={<ShipmentActions shipment={shipment} />}>
        {shipment.firmware.file_name}, version {shipment.firmware.version}
      </PageHead>
      <div className="columns">
        <section className="card" aria-labelledby="standing-title">
          <div className="card-head">
            <h2 id="standing-title">Where it stands</h2>
            <StatusMark mark={shipmentMark(shipment)} />
          </div>
          <div className="stack">
            <ShipmentProgress counts={shipment.counts} />
            <p className="soft">{shipmentExplanation(shipment)}</p>
          </div>
        </section>
        <ShipmentFacts shipment={shipment} />
      </div>
      <Deliveries shipment={shipment} />
    </>
  );
}

function ShipmentFacts({ shipment }: { shipment: Shipment }) {
  const { firmware } = shipment;
  const template = useQuery(templatesQuery).data?.items.find(({ id }) => id === shipment.template_id);
  return (
    <section className="card" aria-labelledby="facts-title">
      <div className="card-head">
        <h2 id="facts-title">About this shipment</h2>
      </div>
      <dl className="facts">
        <dt>Template</dt>
        <dd>{template?.name ?? shipment.template_id}</dd>
        <dt>Who needs it</dt>
        <dd>{ruleText(shipment.rule)}</dd>
        <dt>Failure limit</dt>
        <dd>{shipment.failure_percent_max} %</dd>
        <dt>Attempts</dt>
        <dd>{shipment.attempts_max} in 24 hours for each device</dd>
        <dt>Firmware type</dt>
        <dd className="mono">{firmware.kind}</dd>
        <dt>Built</dt>
        <dd>{firmware.build ?? "not said"}</dd>
        <dt>Size</dt>
        <dd>{sizeText(firmware.size_bytes)}</dd>
        <dt>Made</dt>
        <dd>
          <When at={shipment.created_at} />
        </dd>
        <dt>Last change</dt>
        <dd>
          <When at={shipment.updated_at} />
        </dd>
      </dl>
    </section>
  );
}

function Deliveries({ shipment }: { shipment: Shipment }) {
  const query = useInfiniteQuery(deliveriesQuery(shipment.id, shipment.state));
  return (
    <section className="stack" aria-labelledby="deliveries-title">
      <h2 id="deliveries-title">Devices</h2>
      <PagedTable<Delivery>
        label="devices of the shipment"
        query={query}
        keyOf={(delivery) => delivery.device_id}
        columns={[
          { title: "Device", isLead: true, cell: (delivery) => <DeviceLink id={delivery.device_id} /> },
          { title: "State", cell: (delivery) => <StatusMark mark={deliveryWords(delivery.state).mark} /> },
          {
            title: "Meaning",
            cell: (delivery) => <span className="small soft">{deliveryWords(delivery.state).detail}</span>,
          },
          { title: "Canary", cell: (delivery) => (delivery.canary ? "yes" : <span className="soft">no</span>) },
          { title: "Attempts", cell: (delivery) => `${delivery.attempts} of ${shipment.attempts_max}` },
          { title: "Changed", cell: (delivery) => <When at={delivery.updated_at} /> },
        ]}
        empty={
          <EmptyNote icon="devices" title="No devices yet">
            {shipment.open_ended
              ? "The template has no devices yet. They get the image when they first connect."
              : "None of the chosen devices is left."}
          </EmptyNote>
        }
      />
    </section>
  );
}
