import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { firmwareListQuery } from "../api/queries";
import type { FirmwareImage } from "../api/types";
import { FirmwareImages } from "../components/FirmwareImages";
import { PageHead } from "../components/PageHead";
import { ShipmentDialog } from "../components/ShipmentDialog";
import { ShipmentList } from "../components/ShipmentList";

export function FirmwarePage() {
  const hasImages = useInfiniteQuery(firmwareListQuery).data?.pages.some(({ items }) => items.length > 0) ?? false;
  const [shipping, setShipping] = useState<{ image: FirmwareImage | null } | null>(null);
  return (
    <div className="page">
      <PageHead
        title="Firmware"
        actions={hasImages && <Button onClick={() => setShipping({ image: null })}>Ship firmware…</Button>}
      >
        Upload an image, then ship it to devices over the air. A device counts as updated when it says that it runs the
        new firmware.
      </PageHead>
      <ShipmentList />
      <FirmwareImages onShip={(image) => setShipping({ image })} />
      {shipping && <ShipmentDialog image={shipping.image} onClose={() => setShipping(null)} />}
    </div>
  );
}
