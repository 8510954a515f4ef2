import { Switch } from "@mantine/core";

import { moveBoard, powerBoard } from "../api/actions";
import type { Board } from "../api/types";
import { useBenchDo } from "./benchActions";
import { BoardPicture } from "./BoardPicture";
import { placeOfSpot, spotOf } from "./spots";
import { useBoardDrag } from "./useBoardDrag";

type Props = {
  board: Board;
  scale: number;
  isSelected: boolean;
  onSelect: () => void;
  onOver: (spot: string | null) => void;
};

/** A board in the picture: drag it, click it for its panel, switch its plug. */
export function BoardTile({ board, scale, isSelected, onSelect, onOver }: Props) {
  const run = useBenchDo();
  const drag = useBoardDrag(onOver, (spot) => {
    if (spot !== spotOf(board)) run(() => moveBoard(board.id, placeOfSpot(spot)));
  });
  const { offset } = drag;
  return (
    <li
      className={`board ${isSelected ? "selected" : ""} ${offset ? "dragged" : ""}`}
      style={offset ? { transform: `translate(${offset.x}px, ${offset.y}px)` } : undefined}
      data-testid={`board-${board.id}`}
      data-state={board.state}
    >
      <button
        type="button"
        className="board-grip"
        aria-pressed={isSelected}
        aria-label={`${board.name}, ${stateWords(board)}. Open its panel; drag to move.`}
        onClick={() => !drag.takeDragged() && onSelect()}
        {...drag.handlers}
      >
        <BoardPicture board={board} scale={scale} />
      </button>
      <div className="board-label">
        <strong className="break">{board.name}</strong>
        <span className={`board-state ${stateTone(board)}`}>{board.state}</span>
      </div>
      <Switch
        size="xs"
        className="board-power"
        checked={board.powered}
        label="Power"
        aria-label={`Power of ${board.name}`}
        onChange={(event) => {
          const isOn = event.currentTarget.checked;
          run(() => powerBoard(board.id, isOn));
        }}
      />
    </li>
  );
}

export function stateTone(board: Pick<Board, "state" | "powered">): "good" | "bad" | "wait" | "off" {
  if (!board.powered) return "off";
  if (board.state === "RUNNING") return "good";
  if (board.state === "ERROR") return "bad";
  return "wait";
}

function stateWords(board: Board): string {
  if (!board.powered) return "unplugged";
  const hotspot = board.hotspot ? ", hotspot open" : "";
  return `state ${board.state}${hotspot}`;
}
