import { useRef, useState, type PointerEvent as ReactPointerEvent } from "react";

/** Distance in CSS pixels from which a press counts as a drag and not as a click. */
const DRAG_FROM_PX = 6;

/** Near the window's upper and lower edge a drag scrolls the page: on a phone the other place is further down. */
const EDGE_PX = 110;
/** Pixels scrolled with each frame, at most. */
const SCROLL_STEP_PX = 12;

type Grip = {
  pointerId: number;
  /** Where it was taken, in the page. */
  startX: number;
  startY: number;
  /** Where the pointer is now, in the window. */
  x: number;
  y: number;
  isMoving: boolean;
};

export type BoardDrag = {
  offset: { x: number; y: number } | null;
  handlers: {
    onPointerDown: (event: ReactPointerEvent<HTMLElement>) => void;
    onPointerMove: (event: ReactPointerEvent<HTMLElement>) => void;
    onPointerUp: (event: ReactPointerEvent<HTMLElement>) => void;
    onPointerCancel: () => void;
  };
  /** Whether the click that a browser sends after a drag has to be ignored. */
  takeDragged: () => boolean;
};

/**
 * Lets a board be carried with mouse or finger. `onOver` hears the drop target under the pointer while it moves,
 * `onDrop` the one it was let go on. Targets carry `data-drop`.
 */
export function useBoardDrag(onOver: (target: string | null) => void, onDrop: (target: string) => void): BoardDrag {
  const grip = useRef<Grip | null>(null);
  const wasDragged = useRef(false);
  const [offset, setOffset] = useState<BoardDrag["offset"]>(null);

  const end = () => {
    grip.current = null;
    setOffset(null);
    onOver(null);
  };

  const follow = (held: Grip) => {
    setOffset({ x: held.x + window.scrollX - held.startX, y: held.y + window.scrollY - held.startY });
    onOver(targetAt(held.x, held.y));
  };

  // A pointer that rests at the edge sends no events, so the scrolling has its own beat.
  const scrollWhileHeld = () => {
    const held = grip.current;
    if (!held?.isMoving) return;
    if (scrollNearEdge(held.y)) follow(held);
    requestAnimationFrame(scrollWhileHeld);
  };

  return {
    offset,
    takeDragged: () => {
      const answer = wasDragged.current;
      wasDragged.current = false;
      return answer;
    },
    handlers: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        wasDragged.current = false;
        const { pointerId, clientX: x, clientY: y } = event;
        // From the start: a quick hand has left the board before the first move is told.
        event.currentTarget.setPointerCapture(pointerId);
        grip.current = { pointerId, x, y, startX: x + window.scrollX, startY: y + window.scrollY, isMoving: false };
      },
      onPointerMove: (event) => {
        const held = grip.current;
        if (!held || held.pointerId !== event.pointerId) return;
        held.x = event.clientX;
        held.y = event.clientY;
        if (!held.isMoving) {
          const moved = Math.hypot(held.x + window.scrollX - held.startX, held.y + window.scrollY - held.startY);
          if (moved < DRAG_FROM_PX) return;
          held.isMoving = true;
          wasDragged.current = true;
          requestAnimationFrame(scrollWhileHeld);
        }
        follow(held);
      },
      onPointerUp: (event) => {
        const target = grip.current?.isMoving ? targetAt(event.clientX, event.clientY) : null;
        end();
        if (target !== null) onDrop(target);
      },
      onPointerCancel: end,
    },
  };
}

function targetAt(x: number, y: number): string | null {
  for (const element of document.elementsFromPoint(x, y)) {
    const target = element.closest<HTMLElement>("[data-drop]")?.dataset.drop;
    if (target !== undefined) return target;
  }
  return null;
}

/** Scrolls a step when the pointer is near an edge; says whether the page moved. */
function scrollNearEdge(clientY: number): boolean {
  const before = window.scrollY;
  if (clientY < EDGE_PX) window.scrollBy(0, -SCROLL_STEP_PX);
  if (clientY > window.innerHeight - EDGE_PX) window.scrollBy(0, SCROLL_STEP_PX);
  return window.scrollY !== before;
}
