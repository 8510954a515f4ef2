import { encode } from "uqr";
import { useMemo } from "react";

import "../styles/setup.css";

/** Quiet zone around the code, in modules. Source: ISO/IEC 18004. */
const BORDER_MODULES = 4;

/** A QR code, always dark on white so that any phone reads it. */
export function QrCode({ text, label, size = 168 }: { text: string; label: string; size?: number }) {
  const { path, modules } = useMemo(() => {
    const { data, size: modules } = encode(text, { ecc: "M", border: BORDER_MODULES });
    const path = data
      .flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")))
      .join("");
    return { path, modules };
  }, [text]);
  return (
    <svg
      role="img"
      aria-label={label}
      width={size}
      height={size}
      viewBox={`0 0 ${modules} ${modules}`}
      shapeRendering="crispEdges"
      className="qr"
    >
      <rect width={modules} height={modules} fill="#fff" rx={1.5} />
      <path d={path} fill="#10201d" />
    </svg>
  );
}
