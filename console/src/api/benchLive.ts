import type { QueryClient } from "@tanstack/react-query";

import type { paths } from "./bench";
import { type FeedState, openLiveFeed } from "./liveFeed";
import { scheduleTimeout } from "./schedule";
import type { Board, Place } from "./types";

const EVENTS_PATH: keyof paths = "/bench/v1/events";

type Change<Item> = Item | { id: string; removed: true };

/** Follows what happens on the bench. Returns the function that stops it. */
export function followBench(queries: QueryClient, onState: (state: FeedState) => void): () => void {
  return openLiveFeed({
    openSource: () => new EventSource(EVENTS_PATH),
    schedule: scheduleTimeout,
    onState,
    onGap: () => void queries.invalidateQueries({ queryKey: ["bench"] }),
    handlers: {
      board: (data) => apply<Board>(queries, ["bench", "boards"], data as Change<Board>),
      place: (data) => apply<Place>(queries, ["bench", "places"], data as Change<Place>),
    },
  });
}

function apply<Item extends { id: string }>(queries: QueryClient, queryKey: string[], change: Change<Item>) {
  queries.setQueryData<{ items: Item[] }>(queryKey, (list) =>
    list ? { ...list, items: withChange(list.items, change) } : list,
  );
}

/** Returns the list with one thing changed, added at its end, or taken out. */
export function withChange<Item extends { id: string }>(items: Item[], change: Change<Item>): Item[] {
  if ("removed" in change) return items.filter(({ id }) => id !== change.id);
  const isKnown = items.some(({ id }) => id === change.id);
  return isKnown ? items.map((item) => (item.id === change.id ? change : item)) : [...items, change];
}
