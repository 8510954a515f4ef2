import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { createDevice, openProvisioning } from "../api/actions";
import type { CreatedDevice, CreatedProvisioningSession, Template } from "../api/types";
import { JoinSteps } from "../components/JoinSteps";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { SessionProgress } from "../components/SessionProgress";
import { StaticTokenSteps } from "../components/StaticTokenSteps";
import { TemplatePicker } from "../components/TemplatePicker";
import { FIRMWARE_KINDS, type FirmwareKind } from "../logic/firmwareKinds";
import "../styles/setup.css";

type Choice = { template: Template; kind: FirmwareKind };

/** The outcome of the first step. The token in it lives in this page's memory only, and is gone with it. */
type Started = Choice &
  ({ way: "hotspot"; session: CreatedProvisioningSession } | { way: "token"; device: CreatedDevice });

export function AddDevicePage() {
  const [started, setStarted] = useState<Started | null>(null);
  return (
    <div className="page">
      <PageHead title="Add a device">
        {started
          ? "The token below is shown this once. Keep this page open until the board is connected."
          : "A board gets a fresh token. It becomes yours with its first connection."}
      </PageHead>
      {started ? (
        <JoinStep started={started} onAgain={() => setStarted(null)} />
      ) : (
        <ChoiceStep onStarted={setStarted} />
      )}
    </div>
  );
}

function ChoiceStep({ onStarted }: { onStarted: (started: Started) => void }) {
  const queries = useQueryClient();
  const [template, setTemplate] = useState<Template | null>(null);
  const [name, setName] = useState("");
  const [kind, setKind] = useState<FirmwareKind>("rehome");
  const start = useMutation({
    mutationFn: (choice: Choice) => startSetup(choice, name.trim()),
    onSuccess: (started) => {
      onStarted(started);
      void queries.invalidateQueries({ queryKey: started.way === "token" ? ["devices"] : ["provisioning-sessions"] });
    },
  });
  return (
    <form
      className="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (template) start.mutate({ template, kind });
      }}
    >
      <TemplatePicker value={template?.id ?? null} onChange={setTemplate} />
      <TextInput
        label="Name"
        description="How you will recognise this board. Left empty, it gets the template's name, and its hotspot's tells it apart."
        value={name}
        maxLength={80}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <KindPicker value={kind} onChange={setKind} />
      {start.error && <ProblemNote error={start.error} />}
      <div className="row">
        <Button type="submit" disabled={!template} loading={start.isPending}>
          Continue
        </Button>
        {!template && <span className="soft small">Choose or create a template first.</span>}
      </div>
    </form>
  );
}

function KindPicker({ value, onChange }: { value: FirmwareKind; onChange: (kind: FirmwareKind) => void }) {
  return (
    <fieldset className="plain-fieldset">
      <legend>Firmware on the board</legend>
      <div className="kind-grid">
        {FIRMWARE_KINDS.map((kind) => (
          <label key={kind.id} className="kind">
            <input
              type="radio"
              name="kind"
              value={kind.id}
              checked={kind.id === value}
              onChange={() => onChange(kind.id)}
            />
            <span>
              <strong>{kind.name}</strong>
              <br />
              <span className="soft small">{kind.hint}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function JoinStep({ started, onAgain }: { started: Started; onAgain: () => void }) {
  if (started.way === "token") {
    return <StaticTokenSteps template={started.template} device={started.device} />;
  }
  const { session, template, kind } = started;
  return (
    <div className="columns">
      <section className="card" aria-label="Steps on the board">
        {kind !== "sketch" && <JoinSteps family={kind} templateName={template.name} binding={session} />}
      </section>
      <section className="card" aria-labelledby="progress-title">
        <div className="card-head">
          <h2 id="progress-title">Progress</h2>
        </div>
        <SessionProgress sessionId={session.id} onAgain={onAgain} />
      </section>
    </div>
  );
}

async function startSetup({ template, kind }: Choice, name: string): Promise<Started> {
  if (kind === "sketch") {
    const device = await createDevice(template.id, name === "" ? template.name : name);
    return { template, kind, way: "token", device };
  }
  const session = await openProvisioning(template.id, name === "" ? undefined : name);
  return { template, kind, way: "hotspot", session };
}
