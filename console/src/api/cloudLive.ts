import type { QueryClient } from "@tanstack/react-query";

import type { paths } from "./cloud";
import { type FeedState, openLiveFeed } from "./liveFeed";
import type {
  Datastream,
  Device,
  DeviceEvent,
  LifecycleDeviceStatus,
  PropertyEvent,
  RejectedEvent,
  ReleaseEvent,
  SessionEvent,
  StatusEvent,
  TimelineEvent,
  ValueEvent,
} from "./types";
import { scheduleTimeout } from "./schedule";

const EVENTS_PATH: keyof paths = "/api/v1/events";

/** Follows the cloud's events and keeps the query cache true. Returns the function that stops it. */
export function followCloud(queries: QueryClient, onState: (state: FeedState) => void): () => void {
  const refresh = (...queryKey: string[]) => readAgain(queries, queryKey);
  return openLiveFeed({
    openSource: () => new EventSource(EVENTS_PATH),
    schedule: scheduleTimeout,
    onState: (state) => {
      // The stream also breaks when the sign-in has ended; only the session can tell.
      if (state === "broken") refresh("session");
      onState(state);
    },
    onGap: () => void queries.invalidateQueries(),
    handlers: {
      device: (data) => {
        const event = data as DeviceEvent;
        if (event.change === "online" || event.change === "offline") {
          setOnline(queries, event.device_id, event.change === "online");
        }
        if (event.change === "deleted") queries.removeQueries({ queryKey: ["device", event.device_id] });
        else refresh("device", event.device_id);
        if (event.change === "updated") {
          for (const part of ["metadata", "files", "properties", "history"]) refresh(part, event.device_id);
        }
        refresh("devices");
      },
      value: (data) => applyValue(queries, data as ValueEvent),
      rejected: (data) => {
        const event = data as RejectedEvent;
        queries.setQueryData<RejectedEvent | null>(["rejected", event.device_id], event);
      },
      property: (data) => refresh("properties", (data as PropertyEvent).device_id),
      status: (data) => {
        const event = data as StatusEvent;
        queries.setQueryData<LifecycleDeviceStatus>(["status", event.device_id], event.status);
      },
      // Which of the filtered lists the entry belongs to is the server's to say.
      timeline: (data) => refresh("timeline", (data as TimelineEvent).device_id),
      session: (data) => {
        refresh("provisioning-session", (data as SessionEvent).session_id);
        refresh("provisioning-sessions");
      },
      release: (data) => {
        const event = data as ReleaseEvent;
        queries.setQueryData<Device>(["device", event.device_id], (device) =>
          device ? { ...device, release: event.release } : device,
        );
        refresh("device", event.device_id);
        refresh("devices");
      },
    },
  });
}

/**
 * Reads what an event has made old once more.
 *
 * A request that is under way may be older than the event. React Query begins it anew where there is an answer to show
 * meanwhile; a first one it lets finish, so that one is followed by a second.
 */
export function readAgain(queries: QueryClient, queryKey: string[]) {
  for (const query of queries.getQueryCache().findAll({ queryKey, fetchStatus: "fetching" })) {
    if (query.state.data !== undefined) continue;
    const again = () => queries.invalidateQueries({ queryKey: query.queryKey, exact: true });
    // A request that fails has nothing to show that could be old.
    void query.promise?.then(again, () => undefined);
  }
  void queries.invalidateQueries({ queryKey });
}

/** Shows at once that a device came or went; the refetch that follows brings the rest. */
function setOnline(queries: QueryClient, deviceId: string, online: boolean) {
  queries.setQueryData<Device>(["device", deviceId], (device) => (device ? { ...device, online } : device));
}

function applyValue(queries: QueryClient, event: ValueEvent) {
  const { pin, value, at } = event;
  const queryKey = ["datastreams", event.device_id];
  queries.setQueryData<{ items: Datastream[] }>(queryKey, (list) =>
    list ? { ...list, items: withPin(list.items, { pin, value, at }) } : list,
  );
  if (queries.isFetching({ queryKey }) > 0) readAgain(queries, queryKey);
}

/** Returns the pins with `changed` in its place, by pin number. An older value never replaces a newer one. */
export function withPin(pins: Datastream[], changed: Datastream): Datastream[] {
  const known = pins.find(({ pin }) => pin === changed.pin);
  if (known && known.at > changed.at) return pins;
  return [...pins.filter(({ pin }) => pin !== changed.pin), changed].sort((left, right) => left.pin - right.pin);
}
