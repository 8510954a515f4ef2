import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { deleteFirmware } from "../api/actions";
import { firmwareListQuery } from "../api/queries";
import type { FirmwareImage } from "../api/types";
import { sizeText } from "../logic/fileSize";
import { DeleteDialog } from "./DeleteDialog";
import { EmptyNote } from "./EmptyNote";
import { PagedTable } from "./PagedTable";
import { UploadFirmware } from "./UploadFirmware";
import { When } from "./When";

/** The uploaded images, with upload and delete. */
export function FirmwareImages({ onShip }: { onShip: (image: FirmwareImage) => void }) {
  const query = useInfiniteQuery(firmwareListQuery);
  const [leaving, setLeaving] = useState<FirmwareImage | null>(null);
  return (
    <section className="stack" aria-labelledby="images-title">
      <h2 id="images-title">Images</h2>
      <UploadFirmware onShip={onShip} />
      <PagedTable<FirmwareImage>
        label="firmware images"
        query={query}
        keyOf={(image) => image.id}
        columns={[
          { title: "File", isLead: true, cell: (image) => <strong className="break">{image.file_name}</strong> },
          { title: "Type", cell: (image) => <span className="mono small break firmware-kind">{image.kind}</span> },
          { title: "Version", cell: (image) => <span className="break">{image.version}</span> },
          { title: "Built", cell: (image) => image.build ?? <span className="soft">not said</span> },
          { title: "Size", cell: (image) => <span className="nowrap">{sizeText(image.size_bytes)}</span> },
          { title: "Uploaded", cell: (image) => <When at={image.created_at} /> },
          {
            title: "Actions",
            cell: (image) => (
              <span className="row image-actions">
                <Button size="xs" variant="light" onClick={() => onShip(image)} aria-label={`Ship ${image.file_name}`}>
                  Ship…
                </Button>
                <Button
                  size="xs"
                  variant="subtle"
                  color="red"
                  onClick={() => setLeaving(image)}
                  aria-label={`Delete ${image.file_name}`}
                >
                  Delete…
                </Button>
              </span>
            ),
          },
        ]}
        empty={
          <EmptyNote icon="download" title="No firmware yet">
            Export the compiled program from your development environment and upload the .bin file here. It needs a tag
            that names its type and version: build it with BLYNK_FIRMWARE_VERSION and a template id.
          </EmptyNote>
        }
      />
      {leaving && (
        <DeleteDialog
          title={`Delete ${leaving.file_name}?`}
          confirm="Delete the image"
          remove={() => deleteFirmware(leaving.id)}
          queryKey={firmwareListQuery.queryKey}
          onClose={() => setLeaving(null)}
        >
          <p>
            Version {leaving.version} of {leaving.kind} is removed from the server. Devices that run it are not touched.
          </p>
        </DeleteDialog>
      )}
    </section>
  );
}
