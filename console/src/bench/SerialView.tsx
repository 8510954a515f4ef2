import { useLayoutEffect, useRef } from "react";

import { CopyAction } from "../components/CopyField";
import { serialTone } from "../logic/serialLog";
import { useSerial } from "./useSerial";

/** Pixels from the end within which the view keeps following new lines. */
const STICK_PX = 40;

/** The serial log, following its end unless the reader has scrolled up. */
export function SerialView({ boardId }: { boardId: string }) {
  const { log, isFollowing } = useSerial(boardId);
  const box = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  useLayoutEffect(() => {
    if (sticks.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log]);
  const lines = log.rest === "" ? log.lines : [...log.lines, log.rest];
  return (
    <div className="stack tight">
      <div className="row spread">
        <span className={`mark small ${isFollowing ? "good" : "off"}`}>{isFollowing ? "Following" : "Connecting…"}</span>
        <CopyAction label="the serial log" value={lines.join("\n")} />
      </div>
      <div
        ref={box}
        className="serial mono"
        role="log"
        aria-label="Serial log"
        aria-live="off"
        tabIndex={0}
        data-testid="serial"
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          sticks.current = scrollHeight - scrollTop - clientHeight < STICK_PX;
        }}
      >
        {lines.length === 0 && <span className="soft">Nothing yet. Plug the board in.</span>}
        {lines.map((line, index) => (
          <div key={index} className={serialTone(line)}>
            {line || " "}
          </div>
        ))}
      </div>
    </div>
  );
}
