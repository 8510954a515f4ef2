import { absoluteTime, relativeTime } from "../logic/timeText";
import { useNow } from "./useNow";

/** A time as "3 minutes ago", with the exact time in its tooltip. */
export function When({ at, never = "never" }: { at: string | null | undefined; never?: string }) {
  const now_ms = useNow(5_000);
  if (!at) return <span className="soft">{never}</span>;
  return (
    <time className="nowrap" dateTime={at} title={absoluteTime(at)}>
      {relativeTime(at, now_ms)}
    </time>
  );
}
