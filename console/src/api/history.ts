import type { History, Period, Range } from "../logic/history";
import { answerOf, cloud } from "./client";
import type { HistoryPoint } from "./types";

/** Points that one chart and one table hold; a chart has fewer pixels. */
const POINTS_MAX = 5_000;

/** Pages after which reading stops: pages of minutes may be short. */
const PAGES_MAX = 40;

/** Reads the history of a pin as finely as suits the range, or as finely as there is something. */
export async function readHistory(id: string, pin: number, range: Range, signal: AbortSignal): Promise<History> {
  const to_ms = Date.now();
  const stretch = { words: range.words, from_ms: to_ms - range.length_ms, to_ms };
  let best: History | null = null;
  for (const period of range.periods) {
    const read = await readPeriod(id, pin, period, stretch, signal);
    if (best === null || read.points.length > 0) best = read;
    if (read.points.length > 0 && !read.isCut) break;
  }
  return best ?? { ...stretch, period: "raw", points: [], isCut: false };
}

type Stretch = Pick<History, "words" | "from_ms" | "to_ms">;

async function readPeriod(id: string, pin: number, period: Period, stretch: Stretch, signal: AbortSignal): Promise<History> {
  const points: HistoryPoint[] = [];
  let cursor: string | undefined;
  for (let pageCount = 0; pageCount < PAGES_MAX && points.length < POINTS_MAX; pageCount += 1) {
    const query = {
      from: String(stretch.from_ms),
      to: String(stretch.to_ms),
      period,
      limit: POINTS_MAX - points.length,
      cursor,
    };
    const page = await answerOf(
      cloud.GET("/api/v1/devices/{id}/datastreams/{pin}/history", {
        params: { path: { id, pin: String(pin) }, query },
        signal,
      }),
    );
    points.push(...page.items);
    if (page.next_cursor == null) return { ...stretch, period, points, isCut: false };
    cursor = page.next_cursor;
  }
  return { ...stretch, period, points, isCut: true };
}
