import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { setTimeScale } from "../api/actions";
import { timeQuery } from "../api/queries";
import { useBenchDo } from "./benchActions";

/** Bench seconds per real second that can be chosen. */
const SCALES = [1, 5, 20, 100];

export function TimeScale() {
  const run = useBenchDo();
  const scale = useQuery(timeQuery).data?.scale ?? 1;
  const choices = SCALES.includes(scale) ? SCALES : [...SCALES, scale].sort((left, right) => left - right);
  return (
    <div className="row time-scale">
      <span className="soft small">Time</span>
      <SegmentedControl
        size="xs"
        aria-label="Speed of bench time"
        value={String(scale)}
        onChange={(value) => run(() => setTimeScale(Number(value)))}
        data={choices.map((value) => ({ value: String(value), label: `${value}×` }))}
      />
    </div>
  );
}
