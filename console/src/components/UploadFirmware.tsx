import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState, type DragEvent } from "react";

import { uploadFirmware } from "../api/actions";
import { firmwareListQuery, serverQuery } from "../api/queries";
import type { FirmwareImage } from "../api/types";
import { sizeText, tooLargeText } from "../logic/fileSize";
import { uploadName } from "../logic/firmwareFile";
import "../styles/firmware.css";
import { Icon } from "./Icon";
import { ProblemNote } from "./ProblemNote";

/** Takes a firmware file by choosing or dropping it, and uploads it at once. */
export function UploadFirmware({ onShip }: { onShip: (image: FirmwareImage) => void }) {
  const queries = useQueryClient();
  const { data: server } = useQuery(serverQuery);
  const [tooLarge, setTooLarge] = useState<string | null>(null);
  const [share, setShare] = useState(0);
  const [isOver, setOver] = useState(false);
  const running = useRef<AbortController>(null);
  const upload = useMutation({
    mutationFn: (file: File) => {
      const control = new AbortController();
      running.current = control;
      setShare(0);
      return uploadFirmware(file, uploadName(file.name), { onProgress: setShare, signal: control.signal });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: firmwareListQuery.queryKey }),
  });
  const take = (files: FileList | null) => {
    const file = files?.[0];
    if (!file || upload.isPending) return;
    const refusal = server ? tooLargeText(file, server.firmware_bytes_max) : null;
    setTooLarge(refusal);
    upload.reset();
    if (!refusal) upload.mutate(file);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  if (upload.isPending) {
    return <Uploading file={upload.variables} share={share} onStop={() => running.current?.abort()} />;
  }
  const isCalledOff = upload.error instanceof DOMException && upload.error.name === "AbortError";
  return (
    <div className="stack">
      {tooLarge && (
        <p className="notice wait" role="alert">
          {tooLarge}
        </p>
      )}
      {upload.error && !isCalledOff && <ProblemNote error={upload.error} />}
      {upload.data && <Uploaded image={upload.data} onShip={onShip} />}
      <label
        className={isOver ? "drop-zone over" : "drop-zone"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <input
          type="file"
          accept=".bin,.bin.gz,.ota,application/octet-stream"
          onChange={(event) => {
            take(event.currentTarget.files);
            // The same file, built anew, must count as a change.
            event.currentTarget.value = "";
          }}
        />
        <Icon name="plus" size={18} />
        <span>Choose a firmware file, or drop it here</span>
      </label>
    </div>
  );
}

function Uploading({ file, share, onStop }: { file: File; share: number; onStop: () => void }) {
  const percent = Math.floor(share * 100);
  const isSent = share >= 1;
  return (
    <div className="card stack tight" data-testid="uploading">
      <div className="row spread">
        <span className="break">{isSent ? `Checking ${file.name}…` : `Uploading ${file.name} (${sizeText(file.size)})`}</span>
        <Button size="xs" variant="default" onClick={onStop}>
          Stop the upload
        </Button>
      </div>
      <progress className="upload-progress" max={100} value={percent} aria-label={`Upload of ${file.name}`} />
    </div>
  );
}

function Uploaded({ image, onShip }: { image: FirmwareImage; onShip: (image: FirmwareImage) => void }) {
  return (
    <div className="notice row spread" role="status">
      <span className="grow break">
        {image.file_name} is uploaded: type {image.kind}, version {image.version}.
      </span>
      <Button size="xs" onClick={() => onShip(image)}>
        Ship it…
      </Button>
    </div>
  );
}
