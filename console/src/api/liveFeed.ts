/** The part of `EventSource` that a feed needs; tests give their own. */
export type FeedSource = {
  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void;
  close(): void;
};

export type FeedState = "connecting" | "live" | "broken";

export type FeedOptions = {
  /** Event names and what to do with their data. */
  handlers: Record<string, (data: unknown) => void>;
  /** Called when events may have been missed: everything shown must be fetched again. */
  onGap: () => void;
  onState: (state: FeedState) => void;
  openSource: () => FeedSource;
  schedule: (work: () => void, wait_ms: number) => () => void;
};

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 15_000;

/**
 * Keeps a stream of server events open. After every interruption, and when the server says that the client lagged,
 * `onGap` is called once the stream is back. Returns the function that ends it.
 */
export function openLiveFeed(options: FeedOptions): () => void {
  let source: FeedSource | undefined;
  let cancelRetry: (() => void) | undefined;
  let retryWait_ms = RETRY_FIRST_MS;
  let hasGap = false;
  let isEnded = false;

  const connect = () => {
    const opened = options.openSource();
    source = opened;
    opened.addEventListener("open", () => {
      retryWait_ms = RETRY_FIRST_MS;
      options.onState("live");
      if (hasGap) options.onGap();
      hasGap = false;
    });
    opened.addEventListener("error", () => {
      if (isEnded || source !== opened) return;
      opened.close();
      source = undefined;
      hasGap = true;
      options.onState("broken");
      cancelRetry = options.schedule(connect, retryWait_ms);
      retryWait_ms = Math.min(retryWait_ms * 2, RETRY_MAX_MS);
    });
    opened.addEventListener("lagged", () => options.onGap());
    for (const [type, handle] of Object.entries(options.handlers)) {
      opened.addEventListener(type, (event) => {
        const data = parse(event.data);
        if (data === undefined) options.onGap();
        else handle(data);
      });
    }
  };

  options.onState("connecting");
  connect();
  return () => {
    isEnded = true;
    cancelRetry?.();
    source?.close();
  };
}

function parse(data: unknown): unknown {
  try {
    return JSON.parse(String(data));
  } catch {
    return undefined;
  }
}
