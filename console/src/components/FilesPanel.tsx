import { Anchor, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { deleteFile } from "../api/actions";
import { fileAddress } from "../api/addresses";
import { filesQuery } from "../api/queries";
import type { Device, DeviceFile } from "../api/types";
import { sizeText } from "../logic/fileSize";
import "../styles/history.css";
import { DeleteDialog } from "./DeleteDialog";
import { IconButton } from "./IconButton";
import { ProblemNote } from "./ProblemNote";
import { When } from "./When";

/** Pictures, logs and crash dumps that the device sent. */
export function FilesPanel({ device }: { device: Device }) {
  const query = useQuery(filesQuery(device.id));
  const [doomed, setDoomed] = useState<DeviceFile | null>(null);
  const files = query.data?.items ?? [];
  return (
    <section className="card" aria-labelledby="files-title">
      <div className="card-head">
        <h2 id="files-title">Files</h2>
      </div>
      {query.isPending && <Skeleton height={40} radius="md" aria-label="Loading the files" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && files.length === 0 && <p className="soft">The device has sent no files.</p>}
      {files.length > 0 && (
        <ul className="lined-list">
          {files.map((file) => (
            <li key={file.key}>
              <span className="grow break">
                <Anchor href={fileAddress(device.id, file.key)} download={file.name}>
                  {file.name}
                </Anchor>
                {file.kind === "dump" && <span className="mark bad small file-kind">Crash dump</span>}
              </span>
              <span className="soft small nowrap">{sizeText(file.size_bytes)}</span>
              <span className="soft small">
                <When at={file.at} />
              </span>
              <IconButton label={`Delete ${file.name}`} icon="trash" iconSize={16} onClick={() => setDoomed(file)} />
            </li>
          ))}
        </ul>
      )}
      {doomed && (
        <DeleteDialog
          title={`Delete ${doomed.name}`}
          confirm="Delete the file"
          remove={() => deleteFile(device.id, doomed.key)}
          queryKey={filesQuery(device.id).queryKey}
          onClose={() => setDoomed(null)}
        >
          <p>The file is gone for good, and so is its address.</p>
        </DeleteDialog>
      )}
    </section>
  );
}
