import type { QueryClient } from "@tanstack/react-query";

import { answerOf, bench, cloud } from "./client";
import type { paths as BenchPaths } from "./bench";
import type {
  ConnectionLifecycle,
  DatastreamSettings,
  DatastreamValue,
  DeviceCommand,
  NewShipment,
  ShipmentState,
  TemplateEventSettings,
} from "./types";
import { fetchWithProgress } from "./upload";

/** A key that makes repeating one and the same POST harmless. */
function idempotent() {
  // Not `randomUUID`: browsers offer that on secure pages only, and a server in a workshop may be reached over plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { headers: { "Idempotency-Key": key } };
}

export const signInWithLink = (code: string) => answerOf(cloud.POST("/api/v1/auth/link", { body: { code } }));

export const signInWithPassword = (password: string) =>
  answerOf(cloud.POST("/api/v1/auth/password", { body: { password } }));

export const setPassword = (password: string) => answerOf(cloud.PUT("/api/v1/auth/password", { body: { password } }));

export const signOut = () => answerOf(cloud.DELETE("/api/v1/auth/session"));

export const createTemplate = (name: string) =>
  answerOf(cloud.POST("/api/v1/templates", { body: { name }, ...idempotent() }));

export const renameTemplate = (id: string, name: string) =>
  answerOf(cloud.PATCH("/api/v1/templates/{id}", { params: { path: { id } }, body: { name } }));

export const deleteTemplate = (id: string) =>
  answerOf(cloud.DELETE("/api/v1/templates/{id}", { params: { path: { id } } }));

export const putTemplateDatastream = (id: string, pin: number, body: DatastreamSettings) =>
  answerOf(cloud.PUT("/api/v1/templates/{id}/datastreams/{pin}", { params: { path: { id, pin: String(pin) } }, body }));

export const deleteTemplateDatastream = (id: string, pin: number) =>
  answerOf(cloud.DELETE("/api/v1/templates/{id}/datastreams/{pin}", { params: { path: { id, pin: String(pin) } } }));

export const setReclaimPolicy = (id: string, reclaim: "open" | "locked") =>
  answerOf(cloud.PATCH("/api/v1/templates/{id}", { params: { path: { id } }, body: { reclaim } }));

export const setGatewayApi = (id: string, gateway_api: boolean) =>
  answerOf(cloud.PATCH("/api/v1/templates/{id}", { params: { path: { id } }, body: { gateway_api } }));

export const putTemplateEvent = (id: string, code: string, body: TemplateEventSettings) =>
  answerOf(cloud.PUT("/api/v1/templates/{id}/events/{code}", { params: { path: { id, code } }, body }));

export const deleteTemplateEvent = (id: string, code: string) =>
  answerOf(cloud.DELETE("/api/v1/templates/{id}/events/{code}", { params: { path: { id, code } } }));

export const putLifecycle = (id: string, body: ConnectionLifecycle) =>
  answerOf(cloud.PUT("/api/v1/templates/{id}/lifecycle", { params: { path: { id } }, body }));

export const putRecipients = (id: string, email: string[]) =>
  answerOf(cloud.PUT("/api/v1/templates/{id}/recipients", { params: { path: { id } }, body: { email } }));

export const createWebhook = (id: string, name: string, url: string) =>
  answerOf(cloud.POST("/api/v1/templates/{id}/webhooks", { params: { path: { id } }, body: { name, url }, ...idempotent() }));

export const deleteWebhook = (id: string, webhook: number) =>
  answerOf(
    cloud.DELETE("/api/v1/templates/{id}/webhooks/{webhook}", { params: { path: { id, webhook: String(webhook) } } }),
  );

export const retryNotification = (id: number) =>
  answerOf(cloud.POST("/api/v1/notifications/{notification}/retry", { params: { path: { notification: String(id) } } }));

export const deleteNotification = (id: number) =>
  answerOf(cloud.DELETE("/api/v1/notifications/{notification}", { params: { path: { notification: String(id) } } }));

export const commandDevice = (id: string, command: DeviceCommand) =>
  answerOf(cloud.POST("/api/v1/devices/{id}/commands", { params: { path: { id } }, body: { command } }));

export const writeNote = (id: string, text: string) =>
  answerOf(cloud.POST("/api/v1/devices/{id}/timeline", { params: { path: { id } }, body: { text }, ...idempotent() }));

/** Resolves or archives an entry of a timeline, or takes that back. */
export const changeTimelineEntry = (id: string, entry: number, body: { resolved?: boolean; archived?: boolean }) =>
  answerOf(
    cloud.PATCH("/api/v1/devices/{id}/timeline/{entry}", { params: { path: { id, entry: String(entry) } }, body }),
  );

export const commentEntry = (id: string, entry: number, text: string) =>
  answerOf(
    cloud.POST("/api/v1/devices/{id}/timeline/{entry}/comments", {
      params: { path: { id, entry: String(entry) } },
      body: { text },
      ...idempotent(),
    }),
  );

export const createDevice = (template_id: string, name: string) =>
  answerOf(cloud.POST("/api/v1/devices", { body: { template_id, name }, ...idempotent() }));

export const renameDevice = (id: string, name: string) =>
  answerOf(cloud.PATCH("/api/v1/devices/{id}", { params: { path: { id } }, body: { name } }));

export const releaseDevice = (id: string) =>
  answerOf(cloud.POST("/api/v1/devices/{id}/release", { params: { path: { id } }, ...idempotent() }));

/** The signed order of a release, for a phone that hands it to the board. Asking changes nothing. */
export const releaseOrder = (id: string) =>
  answerOf(cloud.GET("/api/v1/devices/{id}/release/order", { params: { path: { id } } }));

export const handInReceipt = (id: string, receipt: string) =>
  answerOf(
    cloud.POST("/api/v1/devices/{id}/release/receipt", { params: { path: { id } }, body: { receipt }, ...idempotent() }),
  );

export const forceDeleteDevice = (id: string, confirm?: string) =>
  answerOf(cloud.DELETE("/api/v1/devices/{id}", { params: { path: { id }, query: { force: true, confirm } } }));

export const writePin = (id: string, pin: number, value: DatastreamValue) =>
  answerOf(cloud.PUT("/api/v1/devices/{id}/datastreams/{pin}", { params: { path: { id, pin: String(pin) } }, body: { value } }));

/** Erases history of a pin, or of every pin when it is null: from a time on, or all of it. Last values stay. */
export const eraseHistory = (id: string, pin: number | null, from_ms: number | null) => {
  const query = from_ms === null ? {} : { from: String(from_ms) };
  return answerOf(
    pin === null
      ? cloud.DELETE("/api/v1/devices/{id}/history", { params: { path: { id }, query } })
      : cloud.DELETE("/api/v1/devices/{id}/datastreams/{pin}/history", { params: { path: { id, pin: String(pin) }, query } }),
  );
};

/** Imports history from a CSV file: all lines or none. */
export const importHistory = (id: string, file: Blob) => {
  const { headers } = idempotent();
  return answerOf(
    cloud.POST("/api/v1/devices/{id}/history", {
      params: { path: { id } },
      // The generated type of the body is `string`; what goes over the line is the file itself.
      body: file as unknown as string,
      bodySerializer: (body) => body,
      headers: { ...headers, "Content-Type": "text/csv" },
    }),
  );
};

export const setMetadata = (id: string, field: string, value: string) =>
  answerOf(cloud.PUT("/api/v1/devices/{id}/metadata/{field}", { params: { path: { id, field } }, body: { value } }));

export const setProperty = (id: string, pin: number, property: string, value: DatastreamValue) =>
  answerOf(
    cloud.PUT("/api/v1/devices/{id}/datastreams/{pin}/properties/{property}", {
      params: { path: { id, pin: String(pin), property } },
      body: { value },
    }),
  );

export const resetProperty = (id: string, pin: number, property: string) =>
  answerOf(
    cloud.DELETE("/api/v1/devices/{id}/datastreams/{pin}/properties/{property}", {
      params: { path: { id, pin: String(pin), property } },
    }),
  );

export const deleteFile = (id: string, key: string) =>
  answerOf(cloud.DELETE("/api/v1/devices/{id}/files/{key}", { params: { path: { id, key } } }));

export const openProvisioning = (template_id: string, name: string | undefined) =>
  answerOf(
    cloud.POST("/api/v1/provisioning-sessions", { body: { template_id, name }, ...idempotent() }),
  );

export const cancelProvisioning = (id: string) =>
  answerOf(cloud.DELETE("/api/v1/provisioning-sessions/{id}", { params: { path: { id } } }));

/** Uploads a firmware image; `onProgress` gets the share that is sent, from 0 to 1. */
export const uploadFirmware = (
  file: Blob,
  file_name: string,
  { onProgress, signal }: { onProgress: (share: number) => void; signal: AbortSignal },
) =>
  answerOf(
    cloud.POST("/api/v1/firmware", {
      params: { query: { file_name } },
      // The generated type of a binary body is `string`; what goes over the line is the file itself.
      body: file as unknown as string,
      bodySerializer: (body) => body,
      headers: { "Content-Type": "application/octet-stream" },
      fetch: fetchWithProgress(file, onProgress),
      signal,
    }),
  );

export const deleteFirmware = (id: string) =>
  answerOf(cloud.DELETE("/api/v1/firmware/{id}", { params: { path: { id } } }));

export const createShipment = (body: NewShipment) =>
  answerOf(cloud.POST("/api/v1/shipments", { body, ...idempotent() }));

export const changeShipment = (id: string, state: ShipmentState) =>
  answerOf(cloud.PATCH("/api/v1/shipments/{id}", { params: { path: { id } }, body: { state } }));

type Body<Path extends keyof BenchPaths> = BenchPaths[Path] extends {
  post: { requestBody: { content: { "application/json": infer Content } } };
}
  ? Content
  : never;

export type NewPlace = Body<"/bench/v1/places">;
export type NewBoard = Body<"/bench/v1/boards">;

export const addPlace = (body: NewPlace) => answerOf(bench.POST("/bench/v1/places", { body }));

export const addBoard = (body: NewBoard) => answerOf(bench.POST("/bench/v1/boards", { body }));

export const removeBoard = (id: string) => answerOf(bench.DELETE("/bench/v1/boards/{id}", { params: { path: { id } } }));

export const powerBoard = (id: string, on: boolean) =>
  answerOf(bench.POST("/bench/v1/boards/{id}/power", { params: { path: { id } }, body: { on } }));

/** Moves a board to a place; `null` puts it into the van. */
export const moveBoard = (id: string, place: string | null) =>
  answerOf(bench.POST("/bench/v1/boards/{id}/move", { params: { path: { id } }, body: { place } }));

export const holdButton = (id: string, hold_ms: number) =>
  answerOf(bench.POST("/bench/v1/boards/{id}/button", { params: { path: { id } }, body: { hold_ms } }));

export const switchNetwork = (
  placeId: string,
  ssid: string,
  body: Body<"/bench/v1/places/{id}/networks/{ssid}">,
) => answerOf(bench.POST("/bench/v1/places/{id}/networks/{ssid}", { params: { path: { id: placeId, ssid } }, body }));

export const setTimeScale = (scale: number) => answerOf(bench.POST("/bench/v1/time", { body: { scale } }));

/** The bytes of a board's serial port as they come, until `signal` ends them. */
export async function followSerial(id: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const request = bench.GET("/bench/v1/boards/{id}/serial", {
    params: { path: { id }, query: { follow: "true" } },
    parseAs: "stream",
    signal,
  });
  return (await answerOf(request)) as unknown as ReadableStream<Uint8Array>;
}

/** Puts a board's new state on the page without waiting for the event that announces it. */
export function refreshBench(queries: QueryClient) {
  return queries.invalidateQueries({ queryKey: ["bench"] });
}
