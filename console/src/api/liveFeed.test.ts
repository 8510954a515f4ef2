import { expect, test, vi } from "vitest";

import { openLiveFeed, type FeedSource } from "./liveFeed";

class MadeUpSource implements FeedSource {
  readonly listeners = new Map<string, (event: { data?: unknown }) => void>();
  isClosed = false;
  addEventListener(type: string, listener: (event: { data?: unknown }) => void) {
    this.listeners.set(type, listener);
  }
  close() {
    this.isClosed = true;
  }
  fire(type: string, data?: unknown) {
    this.listeners.get(type)?.({ data });
  }
}

function startFeed() {
  const sources: MadeUpSource[] = [];
  const waits_ms: number[] = [];
  let pending: (() => void) | undefined;
  const onGap = vi.fn();
  const onValue = vi.fn();
  const onState = vi.fn();
  const stop = openLiveFeed({
    handlers: { value: onValue },
    onGap,
    onState,
    openSource: () => {
      const source = new MadeUpSource();
      sources.push(source);
      return source;
    },
    schedule: (work, wait_ms) => {
      pending = work;
      waits_ms.push(wait_ms);
      return () => (pending = undefined);
    },
  });
  const latest = () => sources.at(-1) as MadeUpSource;
  return { sources, waits_ms, latest, onGap, onValue, onState, stop, runPending: () => pending?.() };
}

test("events reach their handler, parsed", () => {
  const feed = startFeed();
  feed.latest().fire("open");
  feed.latest().fire("value", '{"pin":1}');
  expect(feed.onValue).toHaveBeenCalledWith({ pin: 1 });
  expect(feed.onGap).not.toHaveBeenCalled();
});

test("after a break everything is fetched again, once the stream is back", () => {
  const feed = startFeed();
  feed.latest().fire("open");
  feed.latest().fire("error");
  expect(feed.onState).toHaveBeenLastCalledWith("broken");
  expect(feed.onGap).not.toHaveBeenCalled();
  feed.runPending();
  feed.latest().fire("open");
  expect(feed.sources).toHaveLength(2);
  expect(feed.onGap).toHaveBeenCalledTimes(1);
  expect(feed.onState).toHaveBeenLastCalledWith("live");
});

test("the wait before the next attempt grows to a limit and starts over after success", () => {
  const feed = startFeed();
  for (let attempt = 0; attempt < 6; attempt += 1) {
    feed.latest().fire("error");
    feed.runPending();
  }
  expect(feed.waits_ms).toEqual([1000, 2000, 4000, 8000, 15000, 15000]);
  feed.latest().fire("open");
  feed.latest().fire("error");
  expect(feed.waits_ms.at(-1)).toBe(1000);
});

test("a lagging client and an unreadable event mean that something was missed", () => {
  const feed = startFeed();
  feed.latest().fire("open");
  feed.latest().fire("lagged", '{"missed_count":3}');
  feed.latest().fire("value", "not json");
  expect(feed.onGap).toHaveBeenCalledTimes(2);
  expect(feed.onValue).not.toHaveBeenCalled();
});

test("a stopped feed is not opened again", () => {
  const feed = startFeed();
  feed.latest().fire("error");
  feed.stop();
  feed.runPending();
  expect(feed.sources).toHaveLength(1);
});
