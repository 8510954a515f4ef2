import { Button, Checkbox, Modal, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { addPlace, refreshBench, type NewPlace } from "../api/actions";
import { ProblemNote } from "../components/ProblemNote";

type Security = NewPlace["networks"][number]["security"];

const SECURITY: { value: Security; label: string }[] = [
  { value: "wpa2", label: "WPA2" },
  { value: "wpa3", label: "WPA3" },
  { value: "open", label: "Open, no password" },
];

/** Bytes of a Wi-Fi password. Source: IEEE 802.11, passphrase. */
const PASSWORD_LEN_MIN = 8;

export function AddPlaceDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Add a place">
      <AddPlaceForm onClose={onClose} />
    </Modal>
  );
}

function AddPlaceForm({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [ssid, setSsid] = useState("");
  const [security, setSecurity] = useState<Security>("wpa2");
  const [password, setPassword] = useState("");
  const [isNoted, setNoted] = useState(true);
  const [internet, setInternet] = useState(true);
  const isOpen = security === "open";
  const isReady = name.trim() !== "" && ssid !== "" && (isOpen || password.length >= PASSWORD_LEN_MIN);
  const add = useMutation({
    mutationFn: () =>
      addPlace({
        name: name.trim(),
        networks: [
          {
            ssid,
            security,
            internet,
            password: isOpen ? null : password,
            password_hint: isOpen || !isNoted ? null : password,
          },
        ],
      }),
    onSuccess: onClose,
    onSettled: () => refreshBench(queries),
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      {add.error && <ProblemNote error={add.error} />}
      <TextInput
        label="Name"
        placeholder="Customer's home"
        value={name}
        maxLength={64}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <TextInput
        label="Wi-Fi name"
        value={ssid}
        maxLength={32}
        onChange={(event) => setSsid(event.currentTarget.value)}
      />
      <Select label="Security" data={SECURITY} value={security} onChange={(value) => setSecurity(value as Security)} />
      {!isOpen && (
        <TextInput
          label="Wi-Fi password"
          description={`At least ${PASSWORD_LEN_MIN} characters`}
          value={password}
          maxLength={64}
          autoComplete="off"
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
      )}
      {!isOpen && (
        <Checkbox
          label="Put the password on a note on the wall"
          description="Without it, the bench does not show the password again."
          checked={isNoted}
          onChange={(event) => setNoted(event.currentTarget.checked)}
        />
      )}
      <Checkbox
        label="The router reaches the internet"
        checked={internet}
        onChange={(event) => setInternet(event.currentTarget.checked)}
      />
      <div className="row">
        <Button type="submit" disabled={!isReady} loading={add.isPending}>
          Add place
        </Button>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
