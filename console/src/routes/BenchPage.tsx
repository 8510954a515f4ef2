import { Button, Drawer, Skeleton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { followBench } from "../api/benchLive";
import type { FeedState } from "../api/liveFeed";
import { boardsQuery, placesQuery, serverQuery, timeQuery } from "../api/queries";
import type { Board, Place } from "../api/types";
import { AddBoardDialog } from "../bench/AddBoardDialog";
import { AddPlaceDialog } from "../bench/AddPlaceDialog";
import { BenchDoContext, useBenchRunner } from "../bench/benchActions";
import { BoardPanel } from "../bench/BoardPanel";
import { Scene } from "../bench/Scene";
import { SetupDialog } from "../bench/SetupDialog";
import { TimeScale } from "../bench/TimeScale";
import { EmptyNote } from "../components/EmptyNote";
import { Icon } from "../components/Icon";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import "../styles/bench.css";

export function BenchPage() {
  const server = useQuery(serverQuery);
  if (server.data && !server.data.bench) {
    return (
      <div className="page">
        <PageHead title="Bench" />
        <EmptyNote icon="bench" title="No bench runs beside this server">
          The virtual bench comes with <code className="mono">rehome up</code>. A server started with{" "}
          <code className="mono">rehome serve</code> is for real boards only.
        </EmptyNote>
      </div>
    );
  }
  return <Bench />;
}

function Bench() {
  const feed = useBenchFeed();
  const runner = useBenchRunner();
  const places = useQuery(placesQuery);
  const boards = useQuery(boardsQuery);
  const [dialog, setDialog] = useState<"board" | "place" | null>(null);
  const [selectedId, select] = useSelectedBoard();
  const error = places.error ?? boards.error;
  const placeItems = places.data?.items ?? [];
  return (
    <BenchDoContext.Provider value={runner.mutate}>
      <div className="page wide bench-page">
        <PageHead
          title="Bench"
          actions={
            <>
              {feed === "broken" && <span className="mark wait">Reconnecting…</span>}
              <TimeScale />
              <Button variant="default" leftSection={<Icon name="plus" size={17} />} onClick={() => setDialog("place")}>
                Place
              </Button>
              <Button leftSection={<Icon name="plus" size={17} />} onClick={() => setDialog("board")}>
                Board
              </Button>
            </>
          }
        >
          Drag a board to carry it; click it to look inside.
        </PageHead>
        {runner.error && <ProblemNote error={runner.error} />}
        {error && <ProblemNote error={error} onRetry={() => void Promise.all([places.refetch(), boards.refetch()])} />}
        {!error && (places.isPending || boards.isPending) && (
          <Skeleton height={420} radius="lg" aria-label="Loading the bench" />
        )}
        {places.data && boards.data && (
          <BenchFloor
            places={placeItems}
            boards={boards.data.items}
            selectedId={selectedId}
            onSelect={select}
            onAddPlace={() => setDialog("place")}
            onAddBoard={() => setDialog("board")}
          />
        )}
      </div>
      <AddBoardDialog
        places={placeItems}
        opened={dialog === "board"}
        onClose={() => setDialog(null)}
        onAdded={select}
      />
      <AddPlaceDialog opened={dialog === "place"} onClose={() => setDialog(null)} />
    </BenchDoContext.Provider>
  );
}

type FloorProps = {
  places: Place[];
  boards: Board[];
  selectedId: string | null;
  onSelect: (boardId: string | null) => void;
  onAddPlace: () => void;
  onAddBoard: () => void;
};

function BenchFloor({ places, boards, selectedId, onSelect, onAddPlace, onAddBoard }: FloorProps) {
  const scale = useQuery(timeQuery).data?.scale ?? 1;
  const isWide = useMediaQuery("(min-width: 1180px)", true, { getInitialValueInEffect: false });
  const [isSettingUp, setSettingUp] = useState(false);
  const selected = boards.find(({ id }) => id === selectedId);
  if (places.length === 0) {
    return (
      <EmptyNote icon="bench" title="An empty bench" action={<Button onClick={onAddPlace}>Add a place</Button>}>
        Start with the workshop where you build boards, then add your customer’s home.
      </EmptyNote>
    );
  }
  const close = () => onSelect(null);
  const panel = selected && (
    <BoardPanel
      key={selected.id}
      board={selected}
      places={places}
      onClose={close}
      onSetUp={() => setSettingUp(true)}
    />
  );
  return (
    <div className={`bench-floor ${selected && isWide ? "with-panel" : ""}`}>
      <div className="stack scene-box">
        <Scene places={places} boards={boards} scale={scale} selectedId={selectedId} onSelect={onSelect} />
        {boards.length === 0 && (
          <p className="notice">
            There is no board yet.{" "}
            <Button size="xs" variant="white" onClick={onAddBoard}>
              Add a board
            </Button>
          </p>
        )}
      </div>
      {isWide && panel && <aside className="card bench-aside">{panel}</aside>}
      {!isWide && (
        <Drawer
          opened={Boolean(panel)}
          onClose={close}
          position="bottom"
          size="88%"
          withCloseButton={false}
          closeOnEscape={!isSettingUp}
          closeOnClickOutside={!isSettingUp}
          aria-label={selected?.name}
        >
          {panel}
        </Drawer>
      )}
      {selected && (
        <SetupDialog
          key={`setup ${selected.id}`}
          board={selected}
          places={places}
          opened={isSettingUp}
          onClose={() => setSettingUp(false)}
        />
      )}
    </div>
  );
}

/** The board whose panel is open; kept in the address so that it survives a reload. */
function useSelectedBoard(): [string | null, (boardId: string | null) => void] {
  const { board } = useSearch({ from: "/bench" });
  const navigate = useNavigate();
  const select = (boardId: string | null) =>
    void navigate({ to: "/bench", search: boardId === null ? {} : { board: boardId }, replace: true });
  return [board ?? null, select];
}

function useBenchFeed(): FeedState {
  const queries = useQueryClient();
  const [state, setState] = useState<FeedState>("connecting");
  useEffect(() => followBench(queries, setState), [queries]);
  return state;
}
