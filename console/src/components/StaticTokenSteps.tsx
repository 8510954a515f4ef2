import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { deviceQuery, serverQuery } from "../api/queries";
import type { CreatedDevice, Template } from "../api/types";
import { sketchLines } from "../logic/sketch";
import { CopyAction, CopyField } from "./CopyField";
import { ProblemNote } from "./ProblemNote";
import { StatusMark } from "./StatusMark";
import { deviceStatus } from "../logic/deviceStatus";
import "../styles/setup.css";

/** A static token: shown once, with the lines to paste, until the device connects. */
export function StaticTokenSteps({ template, device }: { template: Template; device: CreatedDevice }) {
  const server = useQuery(serverQuery);
  const state = useQuery(deviceQuery(device.id));
  const lines = server.data ? sketchLines(template, device.token, server.data) : null;
  return (
    <div className="columns">
      <section className="card stack" aria-label="Token">
        <CopyField label="Token" value={device.token} />
        <p className="soft small">It is shown this once; the server keeps only a hash of it.</p>
        {server.error && <ProblemNote error={server.error} onRetry={() => void server.refetch()} />}
        {lines && (
          <div className="stack tight">
            <div className="row spread">
              <h2>In your sketch</h2>
              <CopyAction label="the lines" value={lines} />
            </div>
            <pre className="sketch mono">{lines}</pre>
          </div>
        )}
      </section>
      <section className="card stack" aria-label="Connection">
        <h2>Connection</h2>
        {state.data && <StatusMark mark={deviceStatus(state.data)} />}
        <Anchor component={Link} to={`/devices/${encodeURIComponent(device.id)}`} fw={600}>
          Open the device
        </Anchor>
      </section>
    </div>
  );
}
