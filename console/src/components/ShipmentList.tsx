import { Anchor } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { shipmentsQuery } from "../api/queries";
import type { Shipment } from "../api/types";
import { shipmentMark } from "../logic/shipmentWords";
import { EmptyNote } from "./EmptyNote";
import { PagedTable } from "./PagedTable";
import { ShipmentProgress } from "./ShipmentProgress";
import { StatusMark } from "./StatusMark";
import { When } from "./When";

export function ShipmentList() {
  const query = useInfiniteQuery(shipmentsQuery);
  return (
    <section className="stack" aria-labelledby="shipments-title">
      <h2 id="shipments-title">Shipments</h2>
      <PagedTable<Shipment>
        label="shipments"
        query={query}
        keyOf={(shipment) => shipment.id}
        columns={[
          {
            title: "Shipment",
            isLead: true,
            cell: (shipment) => (
              <Anchor
                component={Link}
                to={`/firmware/shipments/${encodeURIComponent(shipment.id)}`}
                fw={600}
                className="break"
              >
                {shipment.name}
              </Anchor>
            ),
          },
          { title: "State", cell: (shipment) => <StatusMark mark={shipmentMark(shipment)} /> },
          { title: "Devices", cell: (shipment) => <ShipmentProgress counts={shipment.counts} /> },
          { title: "Version", cell: (shipment) => <span className="break">{shipment.firmware.version}</span> },
          { title: "Made", cell: (shipment) => <When at={shipment.created_at} /> },
        ]}
        empty={
          <EmptyNote icon="truck" title="No shipments yet">
            A shipment brings one image to many devices. Upload an image below, then ship it.
          </EmptyNote>
        }
      />
    </section>
  );
}
