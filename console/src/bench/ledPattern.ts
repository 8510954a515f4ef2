import type { Board } from "../api/types";

export type LedFrames = { opacities: { opacity: number; offset: number }[]; duration_ms: number } | null;

type Led = Pick<Board["led"], "pattern" | "times_ms">;

/** Shortest cycle that is drawn; a faster one (bench time may run 100 times faster) would only flicker. */
const CYCLE_MIN_MS = 160;

const DARK = 0.12;

/** How the LED's brightness changes over one cycle; `null` when it does not. `scale` is bench seconds per second. */
export function ledFrames(led: Led, scale: number): LedFrames {
  const total_ms = led.times_ms.reduce((sum, time_ms) => sum + time_ms, 0);
  if (led.pattern === "off" || led.pattern === "on" || total_ms <= 0) return null;
  const duration_ms = Math.max(CYCLE_MIN_MS, total_ms / scale);
  if (led.pattern === "wave") {
    const opacities = [
      { opacity: DARK, offset: 0 },
      { opacity: 1, offset: 0.5 },
      { opacity: DARK, offset: 1 },
    ];
    return { opacities, duration_ms };
  }
  return { opacities: steps(led.times_ms, total_ms), duration_ms };
}

/** Brightness when nothing moves: what the LED shows to somebody who asked for less motion. */
export function restingOpacity(led: Led): number {
  return led.pattern === "off" ? DARK : 1;
}

function steps(times_ms: number[], total_ms: number) {
  let elapsed_ms = 0;
  return times_ms.flatMap((time_ms, index) => {
    const opacity = index % 2 === 0 ? 1 : DARK;
    const from = elapsed_ms / total_ms;
    elapsed_ms += time_ms;
    return [
      { opacity, offset: from },
      { opacity, offset: Math.min(1, elapsed_ms / total_ms) },
    ];
  });
}
