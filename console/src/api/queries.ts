import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { rangeOf } from "../logic/history";
import { isMoving } from "../logic/shipmentWords";
import { followedBoards, followedPlaces } from "./benchLive";
import { answerOf, bench, cloud } from "./client";
import { readHistory } from "./history";
import type { NotificationState, OwnerSession, RejectedEvent, Shipment, ShipmentState, TimelineEntryType } from "./types";
import { Problem } from "./problem";

/** Entries fetched at a time. */
const PAGE_LEN = 100;

const firstPage = { initialPageParam: undefined as string | undefined };
const nextPage = (page: { next_cursor?: string | null }) => page.next_cursor ?? undefined;

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }): Promise<OwnerSession | null> => {
    try {
      return await answerOf(cloud.GET("/api/v1/auth/session", { signal }));
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

export const serverQuery = queryOptions({
  queryKey: ["server"],
  queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/server", { signal })),
  staleTime: 300_000,
});

export const templatesQuery = queryOptions({
  queryKey: ["templates"],
  queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/templates", { params: { query: { limit: PAGE_LEN } }, signal })),
});

export const templateListQuery = infiniteQueryOptions({
  queryKey: ["templates", "pages"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(cloud.GET("/api/v1/templates", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal })),
  ...firstPage,
  getNextPageParam: nextPage,
});

export const templateQuery = (id: string) =>
  queryOptions({
    queryKey: ["template", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/templates/{id}", { params: { path: { id } }, signal })),
  });

export const templateDatastreamsQuery = (id: string) =>
  queryOptions({
    queryKey: ["template-datastreams", id],
    queryFn: ({ signal }) =>
      answerOf(cloud.GET("/api/v1/templates/{id}/datastreams", { params: { path: { id } }, signal })),
  });

export const devicesQuery = infiniteQueryOptions({
  queryKey: ["devices"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(cloud.GET("/api/v1/devices", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal })),
  ...firstPage,
  getNextPageParam: nextPage,
});

export const deviceQuery = (id: string) =>
  queryOptions({
    queryKey: ["device", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/devices/{id}", { params: { path: { id } }, signal })),
  });

export const datastreamsQuery = (id: string) =>
  queryOptions({
    queryKey: ["datastreams", id],
    queryFn: ({ signal }) =>
      answerOf(cloud.GET("/api/v1/devices/{id}/datastreams", { params: { path: { id } }, signal })),
  });

/** Time after which an open chart is read again: the hour moves on visibly, a longer range does not. */
const HOUR_AGE_MS = 10_000;
const LONGER_AGE_MS = 60_000;

/** What a pin held over a range of time; see `RANGES`. */
export const historyQuery = (id: string, pin: number, rangeKey: string) =>
  queryOptions({
    queryKey: ["history", id, pin, rangeKey],
    queryFn: ({ signal }) => readHistory(id, pin, rangeOf(rangeKey), signal),
    placeholderData: keepPreviousData,
    refetchInterval: rangeKey === "hour" ? HOUR_AGE_MS : LONGER_AGE_MS,
  });

export const propertiesQuery = (id: string) =>
  queryOptions({
    queryKey: ["properties", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/devices/{id}/properties", { params: { path: { id } }, signal })),
  });

export const metadataQuery = (id: string) =>
  queryOptions({
    queryKey: ["metadata", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/devices/{id}/metadata", { params: { path: { id } }, signal })),
  });

export const filesQuery = (id: string) =>
  queryOptions({
    queryKey: ["files", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/devices/{id}/files", { params: { path: { id } }, signal })),
  });

/** Which entries of a timeline are wanted; what is left out is not asked for. */
export type TimelineFilter = { type?: TimelineEntryType; resolved?: boolean; archived?: boolean };

/** Entries of a timeline fetched at a time: it is one panel among others. */
const TIMELINE_PAGE_LEN = 10;

export const timelineQuery = (id: string, filter: TimelineFilter) =>
  infiniteQueryOptions({
    queryKey: ["timeline", id, filter],
    queryFn: ({ pageParam, signal }) =>
      answerOf(
        cloud.GET("/api/v1/devices/{id}/timeline", {
          params: { path: { id }, query: { ...filter, limit: TIMELINE_PAGE_LEN, cursor: pageParam } },
          signal,
        }),
      ),
    ...firstPage,
    getNextPageParam: nextPage,
    placeholderData: keepPreviousData,
  });

/** The status of a device by its template's connection lifecycle. */
export const statusQuery = (id: string) =>
  queryOptions({
    queryKey: ["status", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/devices/{id}/status", { params: { path: { id } }, signal })),
  });

export const templateEventsQuery = (id: string) =>
  queryOptions({
    queryKey: ["template-events", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/templates/{id}/events", { params: { path: { id } }, signal })),
  });

export const lifecycleQuery = (id: string) =>
  queryOptions({
    queryKey: ["lifecycle", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/templates/{id}/lifecycle", { params: { path: { id } }, signal })),
  });

export const recipientsQuery = (id: string) =>
  queryOptions({
    queryKey: ["recipients", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/templates/{id}/recipients", { params: { path: { id } }, signal })),
  });

export const webhooksQuery = (id: string) =>
  queryOptions({
    queryKey: ["webhooks", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/templates/{id}/webhooks", { params: { path: { id } }, signal })),
  });

/** Time after which notifications are read again: they come, go and fail without an event. */
const NOTIFICATIONS_AGE_MS = 10_000;

export const notificationsQuery = (state: NotificationState) =>
  infiniteQueryOptions({
    queryKey: ["notifications", state],
    queryFn: ({ pageParam, signal }) =>
      answerOf(
        cloud.GET("/api/v1/notifications", { params: { query: { state, limit: PAGE_LEN, cursor: pageParam } }, signal }),
      ),
    ...firstPage,
    getNextPageParam: nextPage,
    refetchInterval: NOTIFICATIONS_AGE_MS,
  });

/** The last value of a device that was not stored; live updates bring it, and nothing can be fetched again. */
export const rejectedQuery = (id: string) =>
  queryOptions({
    queryKey: ["rejected", id],
    queryFn: (): RejectedEvent | null => null,
    staleTime: Infinity,
  });

export const sessionsQuery = infiniteQueryOptions({
  queryKey: ["provisioning-sessions"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(
      cloud.GET("/api/v1/provisioning-sessions", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal }),
    ),
  ...firstPage,
  getNextPageParam: nextPage,
});

export const provisioningQuery = (id: string) =>
  queryOptions({
    queryKey: ["provisioning-session", id],
    queryFn: ({ signal }) =>
      answerOf(cloud.GET("/api/v1/provisioning-sessions/{id}", { params: { path: { id } }, signal })),
  });

export const unknownTokensQuery = infiniteQueryOptions({
  queryKey: ["unknown-tokens"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(cloud.GET("/api/v1/unknown-tokens", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal })),
  ...firstPage,
  getNextPageParam: nextPage,
});

export const auditQuery = infiniteQueryOptions({
  queryKey: ["audit"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(cloud.GET("/api/v1/audit", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal })),
  ...firstPage,
  getNextPageParam: nextPage,
});

export const firmwareListQuery = infiniteQueryOptions({
  queryKey: ["firmware"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(cloud.GET("/api/v1/firmware", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal })),
  ...firstPage,
  getNextPageParam: nextPage,
});

/** Time after which a shipment that may still move is read again; its devices change state without an event of its own. */
const SHIPMENT_AGE_MS = 3_000;

const shipmentAge = (shipments: Shipment[] | undefined) =>
  shipments?.some(({ state }) => isMoving(state)) ? SHIPMENT_AGE_MS : false;

export const shipmentsQuery = infiniteQueryOptions({
  queryKey: ["shipments"],
  queryFn: ({ pageParam, signal }) =>
    answerOf(cloud.GET("/api/v1/shipments", { params: { query: { limit: PAGE_LEN, cursor: pageParam } }, signal })),
  ...firstPage,
  getNextPageParam: nextPage,
  refetchInterval: (query) => shipmentAge(query.state.data?.pages.flatMap(({ items }) => items)),
});

export const shipmentQuery = (id: string) =>
  queryOptions({
    queryKey: ["shipment", id],
    queryFn: ({ signal }) => answerOf(cloud.GET("/api/v1/shipments/{id}", { params: { path: { id } }, signal })),
    refetchInterval: (query) => shipmentAge(query.state.data && [query.state.data]),
  });

/** The devices of a shipment. The state is part of the key: when it changes, they are read once more. */
export const deliveriesQuery = (id: string, state: ShipmentState) =>
  infiniteQueryOptions({
    queryKey: ["deliveries", id, state],
    queryFn: ({ pageParam, signal }) =>
      answerOf(
        cloud.GET("/api/v1/shipments/{id}/deliveries", {
          params: { path: { id }, query: { limit: PAGE_LEN, cursor: pageParam } },
          signal,
        }),
      ),
    ...firstPage,
    getNextPageParam: nextPage,
    placeholderData: keepPreviousData,
    refetchInterval: isMoving(state) ? SHIPMENT_AGE_MS : false,
  });

export const placesQuery = queryOptions({
  queryKey: ["bench", "places"],
  queryFn: ({ signal }) => followedPlaces.read(() => answerOf(bench.GET("/bench/v1/places", { signal }))),
});

export const boardsQuery = queryOptions({
  queryKey: ["bench", "boards"],
  queryFn: ({ signal }) => followedBoards.read(() => answerOf(bench.GET("/bench/v1/boards", { signal }))),
});

/** Time after which a board's counters, which change without an event, are read again. */
const COUNTERS_AGE_MS = 2_000;

export const boardQuery = (id: string) =>
  queryOptions({
    queryKey: ["bench", "board", id],
    queryFn: ({ signal }) => answerOf(bench.GET("/bench/v1/boards/{id}", { params: { path: { id } }, signal })),
    refetchInterval: COUNTERS_AGE_MS,
  });

export const timeQuery = queryOptions({
  queryKey: ["bench", "time"],
  queryFn: ({ signal }) => answerOf(bench.GET("/bench/v1/time", { signal })),
});

export const flashSummaryQuery = (id: string) =>
  queryOptions({
    queryKey: ["bench", "flash-summary", id],
    queryFn: ({ signal }) =>
      answerOf(bench.GET("/bench/v1/boards/{id}/flash/summary", { params: { path: { id } }, signal })),
    staleTime: 0,
    gcTime: 0,
  });

export const flashImageQuery = (id: string) =>
  queryOptions({
    queryKey: ["bench", "flash", id],
    queryFn: async ({ signal }) => {
      const request = bench.GET("/bench/v1/boards/{id}/flash", {
        params: { path: { id } },
        parseAs: "arrayBuffer",
        signal,
      });
      return new Uint8Array((await answerOf(request)) as unknown as ArrayBuffer);
    },
    // An image may hold a Wi-Fi password; it does not stay in memory when the view is closed.
    staleTime: 0,
    gcTime: 0,
  });
