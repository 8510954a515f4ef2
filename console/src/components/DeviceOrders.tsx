import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { commandDevice } from "../api/actions";
import type { Device, DeviceCommand } from "../api/types";
import { ConfirmDialog } from "./ConfirmDialog";
import { ProblemNote } from "./ProblemNote";

const SENT: Record<DeviceCommand, string> = {
  ping: "The ping was sent.",
  reboot: "The order to restart was sent. The device goes offline for a moment and comes back by itself.",
  reconfigure: "The order was sent. The device goes offline and opens its hotspot, where it waits to be set up anew.",
};

type Question = { title: string; text: string; confirm: string };

const QUESTIONS: Record<Exclude<DeviceCommand, "ping">, Question> = {
  reboot: {
    title: "Restart this device?",
    text: "It stops what it is doing and is offline until it has started again.",
    confirm: "Restart it",
  },
  reconfigure: {
    title: "Set this device up anew?",
    text: "It leaves its Wi-Fi and opens its hotspot. Somebody near it must then give it a network again; from here it cannot be called back.",
    confirm: "Open its hotspot",
  },
};

/** Orders that a connected device takes. */
export function DeviceOrders({ device }: { device: Device }) {
  const [asked, setAsked] = useState<keyof typeof QUESTIONS | null>(null);
  const order = useMutation({
    mutationFn: (command: DeviceCommand) => commandDevice(device.id, command),
    onSettled: () => setAsked(null),
  });
  const question = asked && QUESTIONS[asked];
  return (
    <section className="card" aria-labelledby="orders-title">
      <div className="card-head">
        <h2 id="orders-title">Orders</h2>
      </div>
      <div className="stack tight">
        <div className="row">
          <Button
            size="xs"
            variant="default"
            disabled={!device.online || order.isPending}
            onClick={() => order.mutate("ping")}
          >
            Ping
          </Button>
          <Button size="xs" variant="default" disabled={!device.online || order.isPending} onClick={() => setAsked("reboot")}>
            Restart…
          </Button>
          <Button
            size="xs"
            variant="default"
            disabled={!device.online || order.isPending}
            onClick={() => setAsked("reconfigure")}
          >
            Set up anew…
          </Button>
        </div>
        {!device.online && <p className="soft small">The device is offline. Only a connected device takes orders.</p>}
        <p className="small" role="status">
          {order.isSuccess && SENT[order.variables]}
        </p>
        {order.error && <ProblemNote error={order.error} />}
      </div>
      {question && (
        <ConfirmDialog
          title={question.title}
          confirm={question.confirm}
          keep="Leave it"
          isPending={order.isPending}
          error={null}
          onConfirm={() => order.mutate(asked)}
          onClose={() => setAsked(null)}
        >
          <p>{question.text}</p>
        </ConfirmDialog>
      )}
    </section>
  );
}
