import { ActionIcon, Button, Menu, Switch, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { holdButton, powerBoard, removeBoard } from "../api/actions";
import { boardQuery } from "../api/queries";
import type { Board, Place } from "../api/types";
import { Icon } from "../components/Icon";
import { IconButton } from "../components/IconButton";
import { codeMeaning } from "../logic/errorCodes";
import { firmwareName } from "../logic/firmwareKinds";
import { spanText } from "../logic/timeText";
import { useBenchDo } from "./benchActions";
import { stateTone } from "./BoardTile";
import { FlashView } from "./FlashView";
import { MoveMenu } from "./MoveMenu";
import { SerialView } from "./SerialView";

type Props = { board: Board; places: Place[]; onClose: () => void; onSetUp: () => void };

/** Everything about one board: what it does, what can be done to it, its log and its flash. */
export function BoardPanel({ board, places, onClose, onSetUp }: Props) {
  return (
    <div className="stack" data-testid="board-panel">
      <div className="row spread">
        <h2 className="break">{board.name}</h2>
        <div className="row" style={{ gap: 2, flexWrap: "nowrap" }}>
          <RemoveAction board={board} onRemoved={onClose} />
          <IconButton label="Close the panel" icon="cross" iconSize={18} onClick={onClose} data-autofocus />
        </div>
      </div>
      <div className="row spread">
        <span className={`board-state big ${stateTone(board)}`} data-testid="board-state">
          {board.state}
        </span>
        <PowerSwitch board={board} />
      </div>
      <ErrorNote board={board} />
      <SetUpRow board={board} onSetUp={onSetUp} />
      <div className="row">
        <MoveMenu board={board} places={places} />
        {board.button && <ButtonMenu board={board} />}
      </div>
      <BoardFacts board={board} places={places} />
      <Tabs defaultValue="serial" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="serial">Serial log</Tabs.Tab>
          <Tabs.Tab value="flash">Flash</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="serial" pt="sm">
          <SerialView key={board.id} boardId={board.id} />
        </Tabs.Panel>
        <Tabs.Panel value="flash" pt="sm">
          <FlashView key={board.id} boardId={board.id} />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function PowerSwitch({ board }: { board: Board }) {
  const run = useBenchDo();
  return (
    <Switch
      checked={board.powered}
      label={board.powered ? "Plugged in" : "Unplugged"}
      onChange={(event) => {
        const isOn = event.currentTarget.checked;
        run(() => powerBoard(board.id, isOn));
      }}
    />
  );
}

function SetUpRow({ board, onSetUp }: { board: Board; onSetUp: () => void }) {
  return (
    <div className="row">
      <Button size="sm" variant={board.home_stored ? "default" : "filled"} onClick={onSetUp}>
        Set up this board
      </Button>
      {board.portal_url && (
        <Button
          size="sm"
          variant="default"
          component="a"
          href={board.portal_url}
          target="_blank"
          rel="noreferrer"
          leftSection={<Icon name="open" size={16} />}
        >
          Open its setup page
        </Button>
      )}
    </div>
  );
}

function ErrorNote({ board }: { board: Board }) {
  const meaning = codeMeaning(board.last_error);
  if (!meaning) return null;
  return (
    <p className="notice wait small">
      <strong>{meaning.what}</strong> {meaning.next} <span className="soft">(code {board.last_error})</span>
    </p>
  );
}

function ButtonMenu({ board }: { board: Board }) {
  const run = useBenchDo();
  const holds: [label: string, hold_ms: number][] = [
    ["Press shortly", 200],
    ["Hold for 4 s", 4_000],
    ["Hold for 11 s (wipes the board)", 11_000],
  ];
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button size="xs" variant="default" leftSection={<Icon name="button" size={16} />}>
          Button
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {holds.map(([label, hold_ms]) => (
          <Menu.Item key={hold_ms} disabled={!board.powered} onClick={() => run(() => holdButton(board.id, hold_ms))}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function RemoveAction({ board, onRemoved }: { board: Board; onRemoved: () => void }) {
  const run = useBenchDo();
  const remove = async () => {
    await removeBoard(board.id);
    onRemoved();
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label="Remove this board">
          <Icon name="trash" size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>The virtual board and its flash are gone for good.</Menu.Label>
        <Menu.Item color="red" onClick={() => run(remove)}>
          Remove {board.name}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function BoardFacts({ board, places }: { board: Board; places: Place[] }) {
  const uptime_ms = useQuery(boardQuery(board.id)).data?.uptime_ms ?? board.uptime_ms;
  const place = places.find(({ id }) => id === board.place);
  const hotspot = board.hotspot ? board.hotspot.ssid : "closed";
  return (
    <dl className="facts">
      <dt>Firmware</dt>
      <dd>{firmwareName(board.firmware)}</dd>
      <dt>Where</dt>
      <dd>{place ? place.name : "in the van"}</dd>
      <dt>Hotspot</dt>
      <dd>
        {hotspot}
        {board.recovery_open && <span className="soft"> (recovery: the home is kept)</span>}
      </dd>
      <dt>Network</dt>
      <dd>{board.network_ssid ?? "none"}</dd>
      <dt>Stored</dt>
      <dd>{storedText(board)}</dd>
      <dt>Running for</dt>
      <dd>{board.powered ? spanText(uptime_ms) : "not powered"}</dd>
      <dt>MAC</dt>
      <dd className="mono">{board.mac}</dd>
    </dl>
  );
}

function storedText(board: Board): string {
  if (board.home_stored) return board.token_stored ? "a home with its token" : "a home without a token";
  return board.token_stored ? "a token, no home" : "no home";
}
