import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { releaseDevice } from "../api/actions";
import { deviceQuery } from "../api/queries";
import type { Device, Release } from "../api/types";
import { canRelease, releaseAnswer, releaseSteps } from "../logic/releaseAnswer";
import "../styles/release.css";
import { Icon } from "./Icon";
import { OfflineRelease } from "./OfflineRelease";
import { ProblemNote } from "./ProblemNote";
import { When } from "./When";

/** Says whether the board may be shipped, and starts its release. */
export function ReleasePanel({ device }: { device: Device }) {
  const [isAsking, setAsking] = useState(false);
  const answer = releaseAnswer(device.release);
  return (
    <section className="card" aria-labelledby="release-title">
      <div className="card-head">
        <h2 id="release-title">Release</h2>
      </div>
      {answer && device.release ? (
        <div className="stack">
          <div className={`verdict ${answer.tone}`} role="status" data-testid="release-verdict">
            <Icon name={answer.tone === "safe" ? "shield" : "warning"} size={26} />
            <div className="stack tight">
              <strong>{answer.headline}</strong>
              <span>{answer.explanation}</span>
            </div>
          </div>
          <Progress release={device.release} />
          {device.release.state !== "confirmed" && <OfflineRelease device={device} />}
        </div>
      ) : (
        <div className="stack">
          <p className="soft">
            Before you sell or give this board away: release it. Control and data end at once, and the board forgets
            your Wi-Fi and its token.
          </p>
          <div>
            <Button variant="light" onClick={() => setAsking(true)} disabled={!canRelease(device)}>
              Release this device…
            </Button>
          </div>
        </div>
      )}
      <ReleaseDialog device={device} opened={isAsking} onClose={() => setAsking(false)} />
    </section>
  );
}

function Progress({ release }: { release: Release }) {
  return (
    <>
      <ol className="release-steps">
        {releaseSteps(release).map((step) => (
          <li key={step.name} className={step.state} aria-current={step.state === "current" ? "step" : undefined}>
            <strong>{step.name}</strong>
            <span className="soft small">{step.detail}</span>
          </li>
        ))}
      </ol>
      <dl className="facts">
        <dt>Asked for</dt>
        <dd>
          <When at={release.requested_at} />
        </dd>
        {release.finished_at && (
          <>
            <dt>Finished</dt>
            <dd>
              <When at={release.finished_at} />
            </dd>
          </>
        )}
        <dt>Board last seen</dt>
        <dd>
          <When at={release.last_seen_at} />
        </dd>
      </dl>
    </>
  );
}

function ReleaseDialog({ device, opened, onClose }: { device: Device; opened: boolean; onClose: () => void }) {
  const queries = useQueryClient();
  const release = useMutation({
    mutationFn: () => releaseDevice(device.id),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: deviceQuery(device.id).queryKey });
      void queries.invalidateQueries({ queryKey: ["devices"] });
      onClose();
    },
  });
  return (
    <Modal opened={opened} onClose={onClose} title={`Release ${device.name}?`}>
      <div className="stack">
        {release.error && <ProblemNote error={release.error} />}
        <p>Its values and its token stop working at once. This cannot be undone.</p>
        <p className="soft">
          {device.online
            ? "The board is online: it is told to erase itself now."
            : "The board is offline: it is told to erase itself when it next connects, wherever that is. Until then it is not safe to ship."}
        </p>
        <div className="row">
          <Button loading={release.isPending} onClick={() => release.mutate()}>
            Release
          </Button>
          <Button variant="default" onClick={onClose}>
            Keep it
          </Button>
        </div>
      </div>
    </Modal>
  );
}
