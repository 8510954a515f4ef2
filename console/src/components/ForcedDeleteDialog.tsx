import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import { forceDeleteDevice } from "../api/actions";
import { Problem } from "../api/problem";
import type { Device } from "../api/types";
import { ProblemNote } from "./ProblemNote";

type Props = { device: Device; opened: boolean; onClose: () => void };

/** Deletes a device without wiping its board. Asks twice: the server's warning first, then the name. */
export function ForcedDeleteDialog({ device, opened, onClose }: Props) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [leftBehind, setLeftBehind] = useState<string[] | null>(null);

  const ask = useMutation({ mutationFn: () => askWhatStays(device.id) });
  const remove = useMutation({
    mutationFn: () => forceDeleteDevice(device.id, name),
    onSuccess: (answer) => setLeftBehind("left_behind" in answer ? answer.left_behind : []),
  });

  const isAsked = useRef(false);
  const askOnce = ask.mutate;
  useEffect(() => {
    if (!opened || isAsked.current) return;
    isAsked.current = true;
    askOnce();
  }, [opened, askOnce]);

  const leave = () => {
    onClose();
    if (leftBehind === null) return;
    queries.removeQueries({ queryKey: ["device", device.id] });
    void queries.invalidateQueries({ queryKey: ["devices"] });
    void navigate({ to: "/devices" });
  };

  return (
    <Modal opened={opened} onClose={leave} title="Delete without wiping" size="lg">
      {leftBehind !== null ? (
        <div className="stack">
          <p>
            <strong>{device.name}</strong> is deleted.
          </p>
          <LeftBehind title="Left behind:" items={leftBehind} />
          <Button onClick={leave}>Back to devices</Button>
        </div>
      ) : (
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            remove.mutate();
          }}
        >
          <p>
            Release is the safe way: the board is wiped before the device is forgotten. Deleting forgets it now and
            leaves the board as it is.
          </p>
          {ask.data && <LeftBehind title="This would be left behind:" items={ask.data} />}
          {ask.error && <ProblemNote error={ask.error} onRetry={() => ask.mutate()} />}
          {remove.error && <ProblemNote error={remove.error} />}
          <TextInput
            label={`Type the name “${device.name}” to delete it anyway`}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            autoComplete="off"
          />
          <div className="row">
            <Button type="submit" color="red" disabled={name !== device.name || !ask.data} loading={remove.isPending}>
              Delete without wiping
            </Button>
            <Button variant="default" onClick={onClose}>
              Keep the device
            </Button>
          </div>
        </form>
      )}
    </Modal>
  );
}

function LeftBehind({ title, items }: { title: string; items: string[] }) {
  if (items.length === 0) return <p className="soft">Nothing is left behind.</p>;
  return (
    <div className="notice wait">
      <p>{title}</p>
      <ul>
        {items.map((item) => (
          <li key={item}>{item}</li>
        ))}
      </ul>
    </div>
  );
}

/** Asks for the delete without confirming it: the server refuses and says what would be left behind. */
async function askWhatStays(deviceId: string): Promise<string[]> {
  try {
    await forceDeleteDevice(deviceId);
  } catch (error) {
    if (error instanceof Problem && error.code === "confirmation_required") return error.leftBehind;
    throw error;
  }
  throw new Problem(200, "unexpected_answer", "The server deleted the device without asking", "", "Go back to the list.");
}
