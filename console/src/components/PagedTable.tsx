import { Button, Skeleton } from "@mantine/core";
import type { UseInfiniteQueryResult, InfiniteData } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { ColumnTable, type Column } from "./ColumnTable";
import { ProblemNote } from "./ProblemNote";

type Page<Item> = { items: Item[]; next_cursor?: string | null };

type Props<Item> = {
  label: string;
  query: UseInfiniteQueryResult<InfiniteData<Page<Item>>>;
  columns: Column<Item>[];
  keyOf: (item: Item) => string;
  empty: ReactNode;
  filter?: (item: Item) => boolean;
  noMatch?: ReactNode;
};

/** A list from the server: loading, error and empty states, rows, and a button for more. */
export function PagedTable<Item>(props: Props<Item>) {
  const { query } = props;
  if (query.isPending) {
    return (
      <div className="card stack" aria-busy="true" aria-label={`Loading ${props.label}`}>
        {[0, 1, 2].map((index) => (
          <Skeleton key={index} height={22} radius="sm" />
        ))}
      </div>
    );
  }
  if (query.isError && !query.data) return <ProblemNote error={query.error} onRetry={() => void query.refetch()} />;
  const all = query.data?.pages.flatMap((page) => page.items) ?? [];
  const items = props.filter ? all.filter(props.filter) : all;
  return (
    <div className="stack">
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      <div className="card table-card">{rows(props, all.length, items)}</div>
      {query.hasNextPage && (
        <div className="row">
          <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </div>
  );
}

function rows<Item>(props: Props<Item>, allCount: number, items: Item[]) {
  if (allCount === 0) return props.empty;
  if (items.length === 0) return props.noMatch ?? props.empty;
  return <ColumnTable label={props.label} items={items} columns={props.columns} keyOf={props.keyOf} />;
}
