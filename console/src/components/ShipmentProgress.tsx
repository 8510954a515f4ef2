import type { ShipmentCounts } from "../api/types";
import { countsText, stretchesOf } from "../logic/shipmentWords";
import "../styles/firmware.css";

/** How many devices of a shipment have ended, as a bar and in words. */
export function ShipmentProgress({ counts }: { counts: ShipmentCounts }) {
  return (
    <div className="shipment-progress">
      <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
        {stretchesOf(counts).map(({ kind, from_percent, width_percent }) => (
          <rect key={kind} className={kind} x={from_percent} y={0} width={width_percent} height={1} />
        ))}
      </svg>
      <span className="small">{countsText(counts)}</span>
    </div>
  );
}
