import type { Board } from "../api/types";
import { firmwareName } from "../logic/firmwareKinds";
import { LedLamp } from "./LedLamp";

/** The board as a small circuit board: chip, antenna, pins, USB plug, LED, and arcs while its hotspot is open. */
export function BoardPicture({ board, scale }: { board: Board; scale: number }) {
  return (
    <svg className={`pcb ${board.powered ? "powered" : "unpowered"}`} viewBox="0 -14 176 108" aria-hidden="true">
      <g className="pcb-plug">
        <path className="pcb-cable" d="M-4 47H8" />
        <rect x="2" y="38" width="16" height="18" rx="2" />
      </g>
      <rect className="pcb-plate" x="14" y="2" width="140" height="88" rx="7" />
      <PinRow y={8} />
      <PinRow y={84} />
      <rect className="pcb-usb" x="12" y="37" width="15" height="20" rx="2" />
      <g className="pcb-module">
        <rect x="44" y="20" width="58" height="52" rx="3" />
        <text x="73" y="50" textAnchor="middle">
          {chipLabel(board)}
        </text>
      </g>
      <path className="pcb-antenna" d="M140 20v10h-6v8h6v8h-6v8h6v8h-6" />
      {board.button && <circle className="pcb-button" cx="120" cy="66" r="6" />}
      <LedLamp led={board.led} powered={board.powered} scale={scale} />
      {board.hotspot && (
        <g className="pcb-arcs">
          <path d="M146 8a10 10 0 0 1 12 12" />
          <path d="M148 -2a20 20 0 0 1 20 20" />
          <path d="M150 -11a29 29 0 0 1 25 25" />
        </g>
      )}
    </svg>
  );
}

function PinRow({ y }: { y: number }) {
  return (
    <g className="pcb-pins">
      {Array.from({ length: 12 }, (_, index) => (
        <circle key={index} cx={34 + index * 10} cy={y} r="2.1" />
      ))}
    </g>
  );
}

function chipLabel(board: Board): string {
  const names = { "rehome": "Rehome", "edgent-old": "Edgent 1.x", "edgent-new": "Edgent" };
  return names[board.firmware] ?? firmwareName(board.firmware);
}
