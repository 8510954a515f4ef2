import { useState } from "react";

import type { Board, Place } from "../api/types";
import { BoardTile } from "./BoardTile";
import { PlacePicture } from "./PlacePicture";
import { spotOf, VAN } from "./spots";
import { VanPicture } from "./VanPicture";

type Props = {
  places: Place[];
  boards: Board[];
  scale: number;
  selectedId: string | null;
  onSelect: (boardId: string) => void;
};

/** The whole bench as one picture: the first place, the van beside it, then the other places. */
export function Scene({ places, boards, scale, selectedId, onSelect }: Props) {
  const [target, setTarget] = useState<string | null>(null);
  const boardsAt = (spot: string) => boards.filter((board) => spotOf(board) === spot);
  const shelf = (spot: string, emptyText: string) => (
    <Shelf
      boards={boardsAt(spot)}
      emptyText={emptyText}
      scale={scale}
      selectedId={selectedId}
      onSelect={onSelect}
      onOver={setTarget}
    />
  );
  const [first, ...others] = places;
  const place = (shown: Place) => (
    <PlacePicture key={shown.id} place={shown} isTarget={target === shown.id}>
      {shelf(shown.id, "No board here")}
    </PlacePicture>
  );
  return (
    <div className={`scene ${target === null ? "" : "carrying"}`}>
      {first && place(first)}
      <VanPicture isTarget={target === VAN} boardCount={boardsAt(VAN).length}>
        {shelf(VAN, "")}
      </VanPicture>
      {others.map(place)}
    </div>
  );
}

type ShelfProps = Omit<Props, "places"> & { emptyText: string; onOver: (spot: string | null) => void };

function Shelf({ boards, emptyText, scale, selectedId, onSelect, onOver }: ShelfProps) {
  if (boards.length === 0) return emptyText === "" ? null : <p className="shelf-empty soft small">{emptyText}</p>;
  return (
    <ul className="shelf">
      {boards.map((board) => (
        <BoardTile
          key={board.id}
          board={board}
          scale={scale}
          isSelected={board.id === selectedId}
          onSelect={() => onSelect(board.id)}
          onOver={onOver}
        />
      ))}
    </ul>
  );
}
