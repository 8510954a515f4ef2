import { describe, expect, it } from "vitest";

import type { DatastreamSettings } from "../api/types";
import { chartData, meaningOf, numberOf, numberText, rangeOf, RANGES, summaryOf, type History } from "./history";

const numbers = (mean: number) => ({ count: 2, min: mean - 1, max: mean + 1, mean, last: mean });

function history(changes: Partial<History>): History {
  return { period: "minute", words: "day", from_ms: 0, to_ms: 600_000, points: [], isCut: false, ...changes };
}

describe("what a chart draws", () => {
  it("has a gap where a stretch has no numbers", () => {
    const points = [0, 1, 4].map((minute) => ({
      at: new Date(minute * 60_000).toISOString(),
      value: null,
      numbers: numbers(minute),
    }));
    expect(chartData(history({ points }))).toEqual({
      times_s: [0, 60, 120, 240],
      means: [0, 1, null, 4],
      mins: [-1, 0, null, 3],
      maxs: [1, 2, null, 5],
    });
  });

  it("has no gaps between the writes of a device that writes seldom, only where it fell silent", () => {
    const points = [0, 5, 10, 15, 55, 60].map((minute) => ({
      at: new Date(minute * 60_000).toISOString(),
      value: null,
      numbers: numbers(minute),
    }));
    expect(chartData(history({ points }))?.means).toEqual([0, 5, 10, 15, null, 55, 60]);
  });

  it("leaves out what is no number, and is nothing when all of it is text", () => {
    const point = (value: string | string[]) => ({ at: "1970-01-01T00:00:01Z", value, numbers: null });
    const points = [point("7"), point("on"), point(["1", "2"]), point("")];
    expect(chartData(history({ period: "raw", points }))?.means).toEqual([7]);
    expect(chartData(history({ period: "raw", points: points.slice(1) }))).toBeNull();
  });

  it("is summed up in a sentence", () => {
    const data = { times_s: [0, 60, 120], means: [1, null, 2], mins: [0.5, null, 1.5], maxs: [3, null, 4] };
    const settings = (changes: Partial<DatastreamSettings>) => ({ name: "x", ...changes }) as DatastreamSettings;
    expect(summaryOf(data, "Temperature", "day", settings({ type: "double", unit: "°C" }))).toBe(
      "Temperature over the last day: lowest 0.5 °C, highest 4 °C, latest 2 °C.",
    );
    const states = { times_s: [0, 60], means: [0, 1], mins: [0, 0], maxs: [1, 1] };
    expect(summaryOf(states, "Pump", "hour", settings({ type: "boolean" }))).toBe("Pump over the last hour: On at the end.");
  });
});

describe("values in words", () => {
  it("are those of the datastream", () => {
    const settings = (changes: Partial<DatastreamSettings>) => ({ name: "x", ...changes }) as DatastreamSettings;
    expect(meaningOf("1", settings({ type: "boolean" }))).toBe("On");
    expect(meaningOf("5", settings({ type: "enum", enum_rows: [{ number: 5, text: "Heat" }] }))).toBe("Heat");
    expect(meaningOf("6", settings({ type: "enum", enum_rows: [{ number: 5, text: "Heat" }] }))).toBe("6");
    expect(meaningOf("21.4", settings({ type: "double", unit: "°C" }))).toBe("21.4 °C");
    expect(meaningOf("warm", settings({ type: "string", unit: "°C" }))).toBe("warm");
    expect(meaningOf("21.4", undefined)).toBe("21.4");
  });

  it("are numbers only when all of the text is one", () => {
    expect(["1.50", "-2", "", " ", "1,5", "nan", "Infinity"].map(numberOf)).toEqual([1.5, -2, null, null, null, null, null]);
    expect(numberText(0.1 + 0.2)).toBe("0.3");
    expect(numberText(1234567.8)).toBe("1234567.8");
    expect(numberText(24.71173)).toBe("24.71");
    expect(numberText(0.0012345)).toBe("0.00123");
  });
});

it("an unknown range is a day, and each is coarser than the one before", () => {
  expect(rangeOf("nonsense").key).toBe("day");
  expect(RANGES.map((range) => range.periods[0])).toEqual(["raw", "minute", "hour", "hour", "day"]);
});
