import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";

import { exportAddress } from "../api/addresses";
import { historyQuery } from "../api/queries";
import type { DatastreamSettings, Device } from "../api/types";
import { chartData, PERIOD_WORDS, rangeOf, RANGES, summaryOf, type History } from "../logic/history";
import "../styles/history.css";
import { EraseHistoryDialog } from "./EraseHistoryDialog";
import { HistoryTable } from "./HistoryTable";
import { Icon } from "./Icon";
import { ProblemNote } from "./ProblemNote";

const HistoryChart = lazy(() => import("./HistoryChart"));

type Props = { device: Device; pin: number; name: string; settings: DatastreamSettings | undefined };

/** What a pin held over time: a chart or a table, a download, and a way to erase it. */
export function PinHistory({ device, pin, name, settings }: Props) {
  const [rangeKey, setRangeKey] = useState("day");
  const [view, setView] = useState("chart");
  const [isErasing, setErasing] = useState(false);
  const query = useQuery(historyQuery(device.id, pin, rangeKey));
  const { data: history } = query;
  return (
    <div className="stack tight">
      <div className="row spread">
        <SegmentedControl
          size="xs"
          aria-label={`Range of the history of ${name}`}
          value={rangeKey}
          onChange={setRangeKey}
          data={RANGES.map(({ key, label }) => ({ value: key, label }))}
        />
        <SegmentedControl
          size="xs"
          aria-label={`How the history of ${name} is shown`}
          value={view}
          onChange={setView}
          data={[
            { value: "chart", label: "Chart" },
            { value: "table", label: "Table" },
          ]}
        />
      </div>
      <div className="history-view" aria-busy={query.isPending}>
        {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
        {query.isPending && <Skeleton height={230} radius="md" aria-label="Loading the history" />}
        {history && <View view={view} history={history} name={name} settings={settings} />}
      </div>
      <div className="row spread">
        <span className="soft small">{history && history.points.length > 0 ? periodText(history) : " "}</span>
        <div className="row">
          <Button
            component="a"
            size="xs"
            variant="default"
            href={exportAddress(device.id, downloadOf(pin, history))}
            download={`${name}.csv`}
            leftSection={<Icon name="download" size={15} />}
          >
            CSV
          </Button>
          <Button size="xs" variant="subtle" color="red" onClick={() => setErasing(true)}>
            Erase…
          </Button>
        </div>
      </div>
      {isErasing && (
        <EraseHistoryDialog device={device} pin={pin} name={name} shown={rangeOf(rangeKey)} onClose={() => setErasing(false)} />
      )}
    </div>
  );
}

/** A download is as fine as what is shown, over the same stretch. */
const downloadOf = (pin: number, history: History | undefined) => ({
  pin: `V${pin}`,
  from: history ? String(history.from_ms) : undefined,
  step: history?.period,
});

function periodText({ period, isCut, points }: History): string {
  const words = PERIOD_WORDS[period];
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return isCut ? `${text}; the first ${points.length} only` : text;
}

type ViewProps = { view: string; history: History; name: string; settings: DatastreamSettings | undefined };

function View({ view, history, name, settings }: ViewProps) {
  const data = useMemo(() => chartData(history), [history]);
  const { words } = history;
  if (history.points.length === 0) {
    return <p className="history-note soft">Nothing was written in the last {words}.</p>;
  }
  if (view === "table") return <HistoryTable history={history} settings={settings} name={name} />;
  if (!data) {
    return <p className="history-note soft">These values are no numbers; the table shows them.</p>;
  }
  return (
    <Suspense fallback={<Skeleton height={230} radius="md" aria-label="Loading the chart" />}>
      <HistoryChart
        data={data}
        history={history}
        settings={settings}
        summary={summaryOf(data, name, words, settings)}
      />
    </Suspense>
  );
}
