import type { ReactNode } from "react";

import { VAN } from "./spots";

/** The van between the places: boards in it have no power and no Wi-Fi. */
export function VanPicture({ isTarget, boardCount, children }: { isTarget: boolean; boardCount: number; children: ReactNode }) {
  return (
    <section className={`van ${isTarget ? "target" : ""}`} data-drop={VAN} data-testid="van" aria-label="In transit">
      <svg className="van-picture" viewBox="0 0 220 118" aria-hidden="true">
        <path className="van-road" d="M0 108h220" />
        <path className="van-body" d="M14 96V26a8 8 0 0 1 8-8h110v78z" />
        <path className="van-cab" d="M132 96V36h34a12 12 0 0 1 10 5l22 28a12 12 0 0 1 3 8v19z" />
        <path className="van-window" d="M142 46h22a6 6 0 0 1 5 2l16 20h-43z" />
        <circle className="van-wheel" cx="52" cy="98" r="13" />
        <circle className="van-wheel" cx="166" cy="98" r="13" />
        <circle className="van-hub" cx="52" cy="98" r="4.5" />
        <circle className="van-hub" cx="166" cy="98" r="4.5" />
        <path className="van-mark" d="m56 62 17-14 17 14M66 76a10 10 0 0 1 14 0M61 70a18 18 0 0 1 24 0" />
      </svg>
      <p className="soft small">{boardCount === 0 ? "In transit: nothing" : "In transit"}</p>
      {children}
    </section>
  );
}
