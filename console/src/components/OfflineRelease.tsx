import { Button, Modal, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { handInReceipt, releaseOrder } from "../api/actions";
import { deviceQuery } from "../api/queries";
import type { Device, ReleaseOrder } from "../api/types";
import { saveFile } from "../logic/saveFile";
import "../styles/setup.css";
import { CopyField } from "./CopyField";
import { ProblemNote } from "./ProblemNote";
import { QrCode } from "./QrCode";

/** Lets a phone hand the release to a board that reaches no network, and takes the board's receipt back. */
export function OfflineRelease({ device }: { device: Device }) {
  if (!device.has_release_key) return <NoReleaseKey device={device} />;
  return <ReleaseByPhone device={device} />;
}

/** Without a key no code can be signed that the board would obey, and it signs no receipt. */
function NoReleaseKey({ device }: { device: Device }) {
  if (device.release?.safe_to_ship) return null;
  return (
    <p className="soft small">
      This board is not known to hold a release key of this server, and stock firmware never does: a phone cannot bring
      it the release. Is it somewhere without its network, or sold already? Whoever holds it can erase it by its button or over
      a cable.
    </p>
  );
}

function ReleaseByPhone({ device }: { device: Device }) {
  const [isOpen, setOpen] = useState(false);
  const order = useMutation({ mutationFn: () => releaseOrder(device.id) });
  const open = () => {
    setOpen(true);
    order.mutate();
  };
  return (
    <div className="stack tight">
      <p className="soft small">
        Is the board somewhere without its network, or sold already? Whoever holds it can erase it with a phone.
      </p>
      <div>
        <Button variant="default" onClick={open}>
          Release without network…
        </Button>
      </div>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title="Release without network" size="lg">
        <div className="stack">
          {order.error && <ProblemNote error={order.error} onRetry={() => order.mutate()} />}
          {order.isPending && <p className="soft">Signing the order…</p>}
          {order.data && <OrderSteps device={device} order={order.data} onDone={() => setOpen(false)} />}
        </div>
      </Modal>
    </div>
  );
}

function OrderSteps({ device, order, onDone }: { device: Device; order: ReleaseOrder; onDone: () => void }) {
  return (
    <ol className="join">
      <li>
        <div className="stack">
          <strong>Give this code to whoever has the board</strong>
          <div className="with-qr">
            <QrCode text={order.link} label="Code that erases the board" size={224} />
            <div className="stack tight grow">
              <span className="soft">
                It erases this board and no other, and stops working once the board has been erased.
              </span>
              <CopyField label="Release code" value={order.order} />
              <div>
                <Button
                  variant="default"
                  onClick={() => saveFile(`release-${device.id}.txt`, "text/plain", `${order.order}\n`)}
                >
                  Save as a file
                </Button>
              </div>
            </div>
          </div>
        </div>
      </li>
      <li>
        <div className="stack">
          <strong>Join the board’s hotspot with a phone and scan it</strong>
          <span className="soft">
            The hotspot opens within a minute where the board finds no network it knows. The page asks once, then the
            board erases itself and shows a receipt. Without the camera: open 192.168.4.1, choose “I was given a
            release code” and paste it.
          </span>
        </div>
      </li>
      <li>
        <ReceiptForm device={device} onDone={onDone} />
      </li>
    </ol>
  );
}

function ReceiptForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const queries = useQueryClient();
  const [receipt, setReceipt] = useState("");
  const handIn = useMutation({
    mutationFn: () => handInReceipt(device.id, receipt),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: deviceQuery(device.id).queryKey });
      void queries.invalidateQueries({ queryKey: ["devices"] });
      onDone();
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        handIn.mutate();
      }}
    >
      <strong>Bring the receipt back here</strong>
      <Textarea
        label="Receipt"
        description="Begins with rehome-receipt-1. Until it is here, this page does not call the board safe."
        autosize
        minRows={3}
        value={receipt}
        onChange={(event) => setReceipt(event.currentTarget.value)}
      />
      {handIn.error && <ProblemNote error={handIn.error} />}
      <div>
        <Button type="submit" disabled={receipt.trim() === ""} loading={handIn.isPending}>
          Check the receipt
        </Button>
      </div>
    </form>
  );
}
