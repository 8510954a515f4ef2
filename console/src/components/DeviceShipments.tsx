import { Anchor } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { deliveriesQuery, shipmentsQuery } from "../api/queries";
import type { Device, Shipment } from "../api/types";
import { deliveryWords, isMoving, isPassedOver } from "../logic/shipmentWords";
import { StatusMark } from "./StatusMark";

/** Shipments shown on one device's page. */
const SHOWN_MAX = 2;

/** The shipments under way for this device, newest first, with how far each has come on it. */
export function DeviceShipments({ device }: { device: Device }) {
  const shipments = useInfiniteQuery(shipmentsQuery).data?.pages.flatMap(({ items }) => items) ?? [];
  return shipments
    .filter(({ state, template_id }) => isMoving(state) && template_id === device.template_id)
    .slice(0, SHOWN_MAX)
    .map((shipment) => <ShipmentLine key={shipment.id} shipment={shipment} deviceId={device.id} />);
}

function ShipmentLine({ shipment, deviceId }: { shipment: Shipment; deviceId: string }) {
  const query = useInfiniteQuery(deliveriesQuery(shipment.id, shipment.state));
  const delivery = query.data?.pages.flatMap(({ items }) => items).find(({ device_id }) => device_id === deviceId);
  // In a long list the device may be further down; the page of the shipment shows it.
  const isUnknown = !delivery && query.hasNextPage;
  if ((!delivery && !isUnknown) || (delivery && isPassedOver(delivery.state))) return null;
  return (
    <p className="notice row" data-testid="device-shipment">
      <span className="break">
        <Anchor component={Link} to={`/firmware/shipments/${encodeURIComponent(shipment.id)}`} inherit fw={600}>
          {shipment.name}
        </Anchor>{" "}
        brings firmware {shipment.firmware.version}
        {shipment.state === "running" ? "" : ", but is held back now"}
        {delivery && ":"}
      </span>
      {delivery && <StatusMark mark={deliveryWords(delivery.state).mark} />}
    </p>
  );
}
