import { createFinalURL, createQuerySerializer, defaultPathSerializer } from "openapi-fetch";

import type { paths } from "./cloud";

type Query<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Fields } } } ? Fields : never;

/** Returns the address of something that the browser fetches by itself, such as a download. */
function addressOf<Path extends keyof paths>(path: Path, pathFields: Record<string, string>, query: Query<Path>): string {
  return createFinalURL(path, {
    baseUrl: "",
    params: { path: pathFields, query: query as Record<string, unknown> },
    pathSerializer: defaultPathSerializer,
    querySerializer: createQuerySerializer(),
  });
}

/** Where the history of a device is downloaded as CSV. */
export const exportAddress = (id: string, query: NonNullable<Query<"/api/v1/devices/{id}/export">>) =>
  addressOf("/api/v1/devices/{id}/export", { id }, query);

/** Where a file that a device sent is downloaded. */
export const fileAddress = (id: string, key: string) =>
  addressOf("/api/v1/devices/{id}/files/{key}", { id, key }, undefined as never);
