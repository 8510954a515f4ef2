import { useEffect, useState } from "react";

import { followSerial } from "../api/actions";
import { appendSerial, EMPTY_SERIAL_LOG, type SerialLog } from "../logic/serialLog";

const RETRY_WAIT_MS = 1_500;

/** A board's serial log as it grows. When the stream breaks it is opened again and starts from its beginning. */
export function useSerial(boardId: string): { log: SerialLog; isFollowing: boolean } {
  const [log, setLog] = useState(EMPTY_SERIAL_LOG);
  const [isFollowing, setFollowing] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    const follow = async () => {
      const stream = await followSerial(boardId, abort.signal);
      const reader = stream.getReader();
      const text = new TextDecoder();
      setLog(EMPTY_SERIAL_LOG);
      setFollowing(true);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const chunk = text.decode(value, { stream: true });
        setLog((former) => appendSerial(former, chunk));
      }
    };
    const keepFollowing = async () => {
      while (!abort.signal.aborted) {
        // A break is no news to the reader: the stream is simply opened again.
        await follow().catch(() => undefined);
        if (abort.signal.aborted) return;
        setFollowing(false);
        await new Promise((resolve) => setTimeout(resolve, RETRY_WAIT_MS));
      }
    };
    void keepFollowing();
    return () => abort.abort();
  }, [boardId]);
  return { log, isFollowing };
}
