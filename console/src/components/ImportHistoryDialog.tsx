import { Button, Modal } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { importHistory } from "../api/actions";
import { datastreamsQuery, serverQuery } from "../api/queries";
import type { Device } from "../api/types";
import { sizeText, tooLargeText } from "../logic/fileSize";
import { ProblemNote } from "./ProblemNote";

/** Takes a CSV file with history. It is stored whole or not at all. */
export function ImportHistoryDialog({ device, onClose }: { device: Device; onClose: () => void }) {
  const queries = useQueryClient();
  const { data: server } = useQuery(serverQuery);
  const [file, setFile] = useState<File | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const send = useMutation({
    mutationFn: (chosen: File) => importHistory(device.id, chosen),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["history", device.id] });
      await queries.invalidateQueries({ queryKey: datastreamsQuery(device.id).queryKey });
    },
  });
  const tooLarge = file && server ? tooLargeText(file, server.import_bytes_max) : null;
  return (
    <Modal opened onClose={onClose} title="Import history">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (file && !tooLarge) send.mutate(file);
        }}
      >
        <p>
          A CSV file with the columns <code className="mono">time</code>, <code className="mono">pin</code> and{" "}
          <code className="mono">value</code>, as the download writes it. Times are like{" "}
          <code className="mono nowrap">2026-11-22T10:15:30Z</code> or Unix milliseconds, at most 92 days ago. When one line is
          wrong, nothing is stored.
        </p>
        <div className="row">
          <input
            ref={input}
            hidden
            type="file"
            accept=".csv,text/csv"
            aria-label="CSV file"
            onChange={(event) => {
              setFile(event.currentTarget.files?.[0] ?? null);
              send.reset();
            }}
          />
          <Button variant="default" onClick={() => input.current?.click()}>
            Choose a file…
          </Button>
          <span className="grow break">{file ? `${file.name}, ${sizeText(file.size)}` : "No file yet"}</span>
        </div>
        {tooLarge && <p className="notice wait">{tooLarge}</p>}
        {send.error && <ProblemNote error={send.error} />}
        {send.data && (
          <p className="notice" role="status">
            {send.data.points} {send.data.points === 1 ? "value is" : "values are"} stored.
          </p>
        )}
        <div className="row">
          <Button type="submit" loading={send.isPending} disabled={!file || tooLarge !== null || send.isSuccess}>
            Import
          </Button>
          <Button variant="default" onClick={onClose}>
            {send.isSuccess ? "Close" : "Cancel"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
