import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { changeShipment } from "../api/actions";
import { shipmentQuery, shipmentsQuery } from "../api/queries";
import type { Shipment, ShipmentState } from "../api/types";
import { changesFor, type ShipmentChange } from "../logic/shipmentWords";
import { ConfirmDialog } from "./ConfirmDialog";

type Words = { state: ShipmentState; button: string; title: string; text: string; confirm: string; keep: string };

const WORDS: Record<ShipmentChange, Words> = {
  pause: {
    state: "paused",
    button: "Pause…",
    title: "Pause this shipment?",
    text: "No further device is told. Downloads that have begun go on to their end. You can resume it at any time.",
    confirm: "Pause",
    keep: "Let it run",
  },
  resume: {
    state: "running",
    button: "Resume…",
    title: "Resume this shipment?",
    text: "Devices that have not ended yet are told again, those that are online at once.",
    confirm: "Resume",
    keep: "Not now",
  },
  cancel: {
    state: "cancelled",
    button: "Cancel the shipment…",
    title: "Cancel this shipment?",
    text: "No further device gets the image from it. Devices that run it already keep it. This cannot be undone.",
    confirm: "Cancel the shipment",
    keep: "Keep it",
  },
};

/** Pause, resume and cancel, as far as the shipment's state allows, each after a question. */
export function ShipmentActions({ shipment }: { shipment: Shipment }) {
  const queries = useQueryClient();
  const [asked, setAsked] = useState<ShipmentChange | null>(null);
  const alter = useMutation({
    mutationFn: (state: ShipmentState) => changeShipment(shipment.id, state),
    onSuccess: (changed) => {
      queries.setQueryData(shipmentQuery(shipment.id).queryKey, changed);
      void queries.invalidateQueries({ queryKey: shipmentsQuery.queryKey });
      setAsked(null);
    },
    // It may have ended by itself in the meantime: show where it stands now.
    onError: () => void queries.invalidateQueries({ queryKey: shipmentQuery(shipment.id).queryKey }),
  });
  const words = asked && WORDS[asked];
  return (
    <>
      {changesFor(shipment.state).map((name) => (
        <Button
          key={name}
          variant={name === "cancel" ? "subtle" : "default"}
          color={name === "cancel" ? "red" : undefined}
          onClick={() => {
            alter.reset();
            setAsked(name);
          }}
        >
          {WORDS[name].button}
        </Button>
      ))}
      {words && (
        <ConfirmDialog
          title={words.title}
          confirm={words.confirm}
          keep={words.keep}
          isDangerous={asked === "cancel"}
          isPending={alter.isPending}
          error={alter.error}
          onConfirm={() => alter.mutate(words.state)}
          onClose={() => setAsked(null)}
        >
          <p>{words.text}</p>
        </ConfirmDialog>
      )}
    </>
  );
}
