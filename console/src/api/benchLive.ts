import type { QueryClient } from "@tanstack/react-query";

import type { paths } from "./bench";
import { type Change, FollowedList } from "./followedList";
import { type FeedState, openLiveFeed } from "./liveFeed";
import { scheduleTimeout } from "./schedule";
import type { Board, Place } from "./types";

const EVENTS_PATH: keyof paths = "/bench/v1/events";

export const followedBoards = new FollowedList<Board>();
export const followedPlaces = new FollowedList<Place>();

/** Follows what happens on the bench. Returns the function that stops it. */
export function followBench(queries: QueryClient, onState: (state: FeedState) => void): () => void {
  return openLiveFeed({
    openSource: () => new EventSource(EVENTS_PATH),
    schedule: scheduleTimeout,
    onState,
    onGap: () => void queries.invalidateQueries({ queryKey: ["bench"] }),
    handlers: {
      board: (data) =>
        queries.setQueryData<{ items: Board[] }>(["bench", "boards"], (list) =>
          followedBoards.follow(list, data as Change<Board>),
        ),
      place: (data) =>
        queries.setQueryData<{ items: Place[] }>(["bench", "places"], (list) =>
          followedPlaces.follow(list, data as Change<Place>),
        ),
    },
  });
}
