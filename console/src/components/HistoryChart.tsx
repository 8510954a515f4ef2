import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { isStepped, meaningOf, numberText, type ChartData, type History } from "../logic/history";
import type { DatastreamSettings } from "../api/types";
import { absoluteTime } from "../logic/timeText";

/** Height of the drawing in pixels; `history.css` keeps the same room free while it loads. */
const HEIGHT_PX = 230;
const DAY_MS = 86_400_000;
const FONT = "12px Inter, ui-sans-serif, system-ui, sans-serif";

type Props = {
  data: ChartData;
  history: History;
  settings: DatastreamSettings | undefined;
  /** What the chart shows, for those who do not see it. */
  summary: string;
};

/** The mean as a line over a band from the smallest to the largest number. Arrow keys move along it. */
export default function HistoryChart({ data, history, settings, summary }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const scheme = useComputedColorScheme("light");
  const [index, setIndex] = useState<number | null>(null);

  // What is newly read goes into the chart that is there, so that whoever reads point by point is not thrown out.
  const shown = useRef({ data, history });
  useEffect(() => {
    shown.current = { data, history };
    plot.current?.setData(alignedOf(data));
  }, [data, history]);

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const stretch = () => shown.current.history;
    const made = new uPlot(optionsFor(element, stretch, settings, setIndex), alignedOf(shown.current.data), element);
    plot.current = made;
    const resizing = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    resizing.observe(element);
    return () => {
      resizing.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [settings, scheme]);

  const move = (event: KeyboardEvent) => {
    const next = keyTarget(event.key, index, data);
    if (next === undefined) return;
    event.preventDefault();
    setIndex(next);
    const made = plot.current;
    if (!made) return;
    const left = next === null ? -10 : made.valToPos(data.times_s[next] ?? 0, "x");
    made.setCursor({ left, top: next === null ? -10 : made.valToPos(data.means[next] ?? 0, "y") }, false);
  };
  return (
    <figure className="history-chart">
      <div ref={place} role="img" aria-label={`${summary} Arrow keys read single points.`} tabIndex={0} onKeyDown={move} />
      <figcaption className="small soft" aria-live={index === null ? "off" : "polite"}>
        {index === null || data.means[index] == null ? summary : pointText(data, index, history, settings)}
      </figcaption>
    </figure>
  );
}

/** Where a key leads: to the next point that is one, to an end, or away; undefined for keys that do nothing here. */
function keyTarget(key: string, index: number | null, data: ChartData): number | null | undefined {
  const last = data.means.length - 1;
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key === "Escape") return null;
  const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return undefined;
  let next = index === null ? (step > 0 ? 0 : last) : index + step;
  while (data.means[next] === null) next += step;
  return Math.min(Math.max(next, 0), last);
}

function pointText(data: ChartData, index: number, history: History, settings: DatastreamSettings | undefined): string {
  const text = (number: number | null | undefined) => meaningOf(numberText(number ?? 0), settings);
  const at = absoluteTime(new Date((data.times_s[index] ?? 0) * 1_000).toISOString());
  const mean = text(data.means[index]);
  if (history.period === "raw") return `${at}: ${mean}`;
  return `${at}: mean ${mean}, from ${text(data.mins[index])} to ${text(data.maxs[index])}`;
}

const alignedOf = (data: ChartData): uPlot.AlignedData => [data.times_s, data.mins, data.maxs, data.means];

function optionsFor(
  element: HTMLElement,
  stretch: () => History,
  settings: DatastreamSettings | undefined,
  onIndex: (index: number | null) => void,
): uPlot.Options {
  const styles = getComputedStyle(element);
  const color = (name: string) => styles.getPropertyValue(name).trim();
  const axis = { stroke: color("--ink-soft"), font: FONT, grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const paths = isStepped(settings) ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
  const edge = { points: { show: false }, paths };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    padding: [10, 22, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 7 } },
    scales: {
      x: { time: true, range: () => [stretch().from_ms / 1_000, stretch().to_ms / 1_000] },
      y: { range: yRange(settings) },
    },
    axes: [
      { ...axis, size: 28, space: 64, values: (_plot, splits) => timeLabels(splits, stretch().to_ms - stretch().from_ms) },
      { ...axis, size: axisSize, ...valueLabels(settings) },
    ],
    bands: [{ series: [2, 1], fill: color("--chart-band") }],
    series: [
      {},
      { ...edge, stroke: "transparent" },
      { ...edge, stroke: "transparent" },
      { stroke: color("--accent"), width: 2, paths, points: { size: 5, fill: color("--accent"), filter: lonePoints } },
    ],
    hooks: { setCursor: [(plot) => onIndex(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? (plot.cursor.idx ?? null) : null)] },
  };
}

/** Points beside gaps on both sides: no line shows them. */
function lonePoints(plot: uPlot, series: number, show: boolean): number[] | null {
  if (show) return null;
  const numbers = plot.data[series] ?? [];
  const lone: number[] = [];
  numbers.forEach((number, index) => {
    if (number != null && numbers[index - 1] == null && numbers[index + 1] == null) lone.push(index);
  });
  return lone;
}

function yRange(settings: DatastreamSettings | undefined): uPlot.Scale.Range {
  if (settings?.type === "boolean") return [-0.1, 1.1];
  if (settings?.type !== "enum") return (_plot, min, max) => uPlot.rangeNum(min, max, 0.12, true);
  const rows = (settings.enum_rows ?? []).map((row) => row.number);
  return [Math.min(...rows) - 0.3, Math.max(...rows) + 0.3];
}

/** Numbers for numbers; words where the values have them. */
function valueLabels(settings: DatastreamSettings | undefined): Partial<uPlot.Axis> {
  const named = settings?.type === "boolean" ? [0, 1] : (settings?.enum_rows ?? []).map((row) => row.number);
  const isNamed = settings?.type === "boolean" || settings?.type === "enum";
  const text = (number: number) => {
    const meaning = meaningOf(String(number), settings);
    return meaning.length > 12 ? `${meaning.slice(0, 11)}…` : meaning;
  };
  if (isNamed) return { splits: () => named, values: (_plot, splits) => splits.map(text) };
  return { values: (_plot, splits) => splits.map((split) => String(Number(split.toPrecision(8)))) };
}

/** As wide as the longest label, so that a large number is not cut and a small one leaves no hole. */
function axisSize(_plot: uPlot, labels: string[] | null): number {
  const longest = Math.max(0, ...(labels ?? []).map((label) => label.length));
  return Math.max(30, 16 + longest * 7);
}

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const month = new Intl.DateTimeFormat("en", { month: "short", year: "numeric" });

function timeLabels(splits_s: number[], length_ms: number): string[] {
  const format = length_ms <= DAY_MS ? clock : length_ms <= 40 * DAY_MS ? day : month;
  const labels = splits_s.map((split) => format.format(split * 1_000));
  return labels.map((label, index) => (label === labels[index - 1] ? "" : label));
}
