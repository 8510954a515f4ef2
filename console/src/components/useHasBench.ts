import { useQuery } from "@tanstack/react-query";

import { serverQuery } from "../api/queries";

/** Whether a virtual bench runs beside the server. */
export function useHasBench(): boolean {
  return useQuery(serverQuery).data?.bench ?? false;
}
