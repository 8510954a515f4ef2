import { Button } from "@mantine/core";
import { useState } from "react";

import type { DatastreamSettings } from "../api/types";
import { meaningOf, numberText, type History } from "../logic/history";
import { valueText } from "../logic/pinValue";
import { absoluteTime } from "../logic/timeText";

/** Rows shown at first, and with each press of the button. */
const ROWS_STEP = 100;

/** The same as the chart, in numbers, newest first. */
export function HistoryTable({ history, settings, name }: { history: History; settings: DatastreamSettings | undefined; name: string }) {
  const [rowsMax, setRowsMax] = useState(ROWS_STEP);
  const newestFirst = [...history.points].reverse();
  const isRaw = history.period === "raw";
  const heads = isRaw ? ["Time", "Value"] : ["Time", "Mean", "Smallest", "Largest", "Values"];
  return (
    <div className="history-table" tabIndex={0} role="region" aria-label={`History of ${name} as a table`}>
      <table className="table">
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {newestFirst.slice(0, rowsMax).map(({ at, value, numbers }, index) => (
            <tr key={`${at}-${index}`}>
              <td className="nowrap">{absoluteTime(at)}</td>
              {numbers ? (
                [numbers.mean, numbers.min, numbers.max].map((number, column) => <td key={column}>{numberText(number)}</td>)
              ) : (
                <td className="break">{meaningOf(valueText(value ?? ""), settings)}</td>
              )}
              {numbers && <td>{numbers.count}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {newestFirst.length > rowsMax && (
        <Button size="xs" variant="default" onClick={() => setRowsMax(rowsMax + ROWS_STEP)}>
          Show older ones
        </Button>
      )}
    </div>
  );
}
