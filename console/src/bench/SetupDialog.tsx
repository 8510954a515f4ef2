import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { openProvisioning } from "../api/actions";
import type { Board, CreatedProvisioningSession, Network, Place } from "../api/types";
import { CopyField } from "../components/CopyField";
import { Icon } from "../components/Icon";
import { ProblemNote } from "../components/ProblemNote";
import { SessionProgress } from "../components/SessionProgress";
import { takesPort } from "../logic/firmwareKinds";
import { setupLink } from "../logic/setupLink";
import "../styles/setup.css";

type Props = { board: Board; places: Place[]; opened: boolean; onClose: () => void };

/** Sets up a bench board as its owner would: a session here, the board's own page in another tab. */
export function SetupDialog({ board, places, opened, onClose }: Props) {
  const queries = useQueryClient();
  const start = useMutation({
    mutationFn: () => openProvisioning(board.template_id, board.name),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["provisioning-sessions"] }),
  });
  const close = () => {
    onClose();
    // The token leaves the page's memory together with the dialog.
    start.reset();
  };
  return (
    <Modal opened={opened} onClose={close} title={`Set up ${board.name}`} size="lg">
      <div className="stack" data-testid="setup-dialog">
        {start.error && <ProblemNote error={start.error} />}
        {start.data ? (
          <>
            <BoardSteps board={board} places={places} session={start.data} />
            <SessionProgress sessionId={start.data.id} onAgain={() => start.mutate()} />
          </>
        ) : (
          <>
            <p>
              This opens a setup with a fresh token for this board. On the board’s own page you then choose a Wi-Fi
              network, as its owner does on a phone.
            </p>
            <div>
              <Button onClick={() => start.mutate()} loading={start.isPending}>
                Start the setup
              </Button>
            </div>
          </>
        )}
      </div>
    </Modal>
  );
}

type StepsProps = { board: Board; places: Place[]; session: CreatedProvisioningSession };

function BoardSteps({ board, places, session }: StepsProps) {
  if (!board.portal_url) return <ClosedHotspot board={board} />;
  const isRehome = board.firmware === "rehome";
  const page = isRehome ? setupLink(board.portal_url, session) : board.portal_url;
  const networks = places.find(({ id }) => id === board.place)?.networks.filter(({ up }) => up) ?? [];
  return (
    <ol className="join">
      <li>
        <div className="stack">
          <strong>Open the board’s setup page</strong>
          <div>
            <Button
              component="a"
              href={page}
              target="_blank"
              rel="noreferrer"
              leftSection={<Icon name="open" size={16} />}
              data-testid="open-portal"
            >
              Open its setup page
            </Button>
          </div>
          <span className="soft small">
            It opens in a new tab, in place of a phone that joined {board.hotspot?.ssid ?? "its hotspot"}.
          </span>
        </div>
      </li>
      <li>
        <div className="stack">
          <strong>Choose a Wi-Fi network of {placeName(board, places)}</strong>
          {networks.length === 0 ? (
            <span className="soft">No router is on here. Switch one on first.</span>
          ) : (
            <div className="stack tight">
              {networks.map((network) => (
                <NetworkHint key={network.ssid} network={network} />
              ))}
            </div>
          )}
        </div>
      </li>
      <li>
        <div className="stack">
          <strong>{isRehome ? "Token and host are already filled in" : "Paste these values"}</strong>
          <div className="stack tight">
            <CopyField label="Token" value={session.token} />
            <CopyField label="Host" value={session.host} />
            {takesPort(board.firmware) && <CopyField label="Port" value={String(session.port)} />}
          </div>
        </div>
      </li>
    </ol>
  );
}

/** Name and, where a note on the wall tells it, password of a network in reach. */
function NetworkHint({ network }: { network: Network }) {
  if (network.password_hint) return <CopyField label={network.ssid} value={network.password_hint} />;
  return (
    <span className="soft">
      <strong>{network.ssid}</strong>
      {network.security === "open" ? ", open" : ", with the password you gave it"}
    </span>
  );
}

function ClosedHotspot({ board }: { board: Board }) {
  if (!board.powered) return <p className="notice wait">The board has no power. Plug it in; its hotspot then opens.</p>;
  if (board.state === "RUNNING") {
    return <p className="notice">The hotspot is closed: the board is connected. Below is how the setup went.</p>;
  }
  return (
    <p className="notice wait">
      The hotspot is closed while the board is in {board.state}. It appears here when it opens. A board that never opens
      it is stranded; its serial log shows what it tries.
    </p>
  );
}

function placeName(board: Board, places: Place[]): string {
  return places.find(({ id }) => id === board.place)?.name ?? "the van";
}
