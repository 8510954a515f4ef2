import { QueryCache, QueryClient } from "@tanstack/react-query";

import { Problem } from "./problem";
import { sessionQuery } from "./queries";

const RETRIES_MAX = 2;

/** Repeating helps against a server that is away or overloaded, not against a refusal. */
function isWorthRepeating(failures: number, error: unknown): boolean {
  const isPassing = !(error instanceof Problem) || error.status === 0 || error.status >= 500;
  return isPassing && failures < RETRIES_MAX;
}

export const queryClient: QueryClient = new QueryClient({
  defaultOptions: { queries: { retry: isWorthRepeating, staleTime: 10_000, refetchOnWindowFocus: true } },
  queryCache: new QueryCache({
    // The session ended while the page was open: show the sign-in form.
    onError: (error) => {
      if (error instanceof Problem && error.status === 401) queryClient.setQueryData(sessionQuery.queryKey, null);
    },
  }),
});
