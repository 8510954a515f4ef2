import { useMutation, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";

import { refreshBench } from "../api/actions";

export type BenchDo = (work: () => Promise<unknown>) => void;

/** Runs something on the bench and shows what went wrong, if it did, at the top of the page. */
export const BenchDoContext = createContext<BenchDo>(() => undefined);

export function useBenchDo(): BenchDo {
  return useContext(BenchDoContext);
}

export function useBenchRunner() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (work: () => Promise<unknown>) => work(),
    onSettled: () => refreshBench(queries),
  });
}
