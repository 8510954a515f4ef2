import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { flashImageQuery, flashSummaryQuery } from "../api/queries";
import type { FlashSummary } from "../api/types";
import { Icon } from "../components/Icon";
import { ProblemNote } from "../components/ProblemNote";
import { hexRows, ROW_BYTES, toOffset, type HexRow } from "../logic/hexDump";
import { saveFile } from "../logic/saveFile";

/** Rows drawn at first; a written-over image can have tens of thousands. */
const ROWS_SHOWN = 600;

/** What is really in a board's flash: the verdict, and the bytes themselves. */
export function FlashView({ boardId }: { boardId: string }) {
  const summary = useQuery(flashSummaryQuery(boardId));
  const image = useQuery(flashImageQuery(boardId));
  const refresh = () => {
    void summary.refetch();
    void image.refetch();
  };
  const error = summary.error ?? image.error;
  return (
    <div className="stack">
      {error && <ProblemNote error={error} onRetry={refresh} />}
      {summary.data ? <Verdict summary={summary.data} /> : <Skeleton height={80} radius="md" />}
      <div className="row">
        <Button size="xs" variant="default" onClick={refresh} loading={image.isFetching}>
          Read again
        </Button>
        {image.data && (
          <Button
            size="xs"
            variant="default"
            onClick={() => saveFile(`${boardId}-flash.bin`, "application/octet-stream", new Uint8Array(image.data))}
          >
            Save the image
          </Button>
        )}
      </div>
      {image.data ? <HexDump image={image.data} /> : <Skeleton height={200} radius="md" />}
    </div>
  );
}

function Verdict({ summary }: { summary: FlashSummary }) {
  const isClean = !summary.home_stored && !summary.secrets_found;
  const networks = summary.networks.join(", ");
  return (
    <div className={`verdict ${isClean ? "safe" : "waiting"}`} data-testid="flash-verdict">
      <Icon name={isClean ? "shield" : "bench"} size={24} />
      <div className="stack tight">
        <strong>{headline(summary)}</strong>
        <span className="small">
          {networks !== "" && `Networks: ${networks}. `}
          {summary.epoch !== null && summary.epoch !== undefined && `Epoch ${summary.epoch}. `}
          {summary.image_bytes.toLocaleString("en")} bytes searched.
        </span>
      </div>
    </div>
  );
}

function headline(summary: FlashSummary): string {
  if (summary.home_stored) return "A home is stored";
  if (summary.secrets_found) return "No home, but traces of one are left";
  return "Nothing of a home is left";
}

function HexDump({ image }: { image: Uint8Array }) {
  const rows = useMemo(() => hexRows(image), [image]);
  const [shownCount, setShownCount] = useState(ROWS_SHOWN);
  return (
    <div className="hex mono" role="region" aria-label="Flash image" tabIndex={0}>
      {rows.slice(0, shownCount).map((row) => (
        <HexLine key={row.offset} row={row} />
      ))}
      {rows.length > shownCount && (
        <Button size="xs" variant="subtle" onClick={() => setShownCount(shownCount + ROWS_SHOWN)}>
          Show more
        </Button>
      )}
    </div>
  );
}

function HexLine({ row }: { row: HexRow }) {
  if (row.kind === "repeated") {
    return (
      <div className="hex-line filler">
        <span className="hex-offset">{toOffset(row.offset)}</span>
        <span>
          {(row.rowCount * ROW_BYTES).toLocaleString("en")} bytes of {row.byte}
          {row.byte === "FF" && " (erased)"}
        </span>
      </div>
    );
  }
  return (
    <div className="hex-line">
      <span className="hex-offset">{toOffset(row.offset)}</span>
      <span className="hex-bytes">{row.hex.join(" ")}</span>
      <span className="hex-text">{row.text}</span>
    </div>
  );
}
