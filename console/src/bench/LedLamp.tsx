import { useEffect, useRef } from "react";

import type { Board } from "../api/types";
import { ledFrames, restingOpacity } from "./ledPattern";

type Props = { led: Board["led"]; powered: boolean; scale: number };

/** The board's LED: its colour, blinking as the firmware drives it. Drawn inside the board's SVG. */
export function LedLamp({ led, powered, scale }: Props) {
  const glow = useRef<SVGGElement>(null);
  const timesKey = led.times_ms.join(" ");
  useEffect(() => {
    const element = glow.current;
    if (!element) return;
    const shown = powered ? led.pattern : "off";
    const pattern = { pattern: shown, times_ms: timesKey === "" ? [] : timesKey.split(" ").map(Number) };
    element.style.opacity = String(restingOpacity(pattern));
    const frames = ledFrames(pattern, scale);
    if (!frames || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const animation = element.animate(frames.opacities, { duration: frames.duration_ms, iterations: Infinity });
    return () => animation.cancel();
  }, [led.pattern, timesKey, powered, scale]);
  return (
    <g>
      <circle cx="120" cy="26" r="6.5" fill="#0b241c" stroke="#d9e6df" strokeOpacity="0.5" />
      <g ref={glow}>
        <circle cx="120" cy="26" r="15" fill={led.color} opacity="0.28" />
        <circle cx="120" cy="26" r="5.5" fill={led.color} />
        <circle cx="118.4" cy="24.2" r="1.6" fill="#fff" opacity="0.8" />
      </g>
    </g>
  );
}
