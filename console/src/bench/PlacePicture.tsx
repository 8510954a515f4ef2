import { Switch } from "@mantine/core";
import type { ReactNode } from "react";

import { switchNetwork } from "../api/actions";
import type { Network, Place } from "../api/types";
import { useBenchDo } from "./benchActions";
import { isWorkshop } from "./spots";

type Props = { place: Place; isTarget: boolean; children: ReactNode };

/** A building with its routers and the boards that are in it. */
export function PlacePicture({ place, isTarget, children }: Props) {
  const kind = isWorkshop(place) ? "workshop" : "home";
  return (
    <section
      className={`place ${kind} ${isTarget ? "target" : ""}`}
      data-drop={place.id}
      data-testid={`place-${place.id}`}
      aria-label={place.name}
    >
      {kind === "workshop" ? <WorkshopRoof /> : <HomeRoof />}
      <div className="place-body">
        <h2>{place.name}</h2>
        <ul className="routers">
          {place.networks.map((network) => (
            <Router key={network.ssid} place={place} network={network} />
          ))}
          {place.networks.length === 0 && <li className="soft small">No Wi-Fi here</li>}
        </ul>
        {children}
      </div>
    </section>
  );
}

function Router({ place, network }: { place: Place; network: Network }) {
  const run = useBenchDo();
  return (
    <li className={`router ${network.up ? "up" : "down"}`}>
      <svg width="34" height="34" viewBox="0 0 34 34" aria-hidden="true">
        <path className="router-arc" d="M9 9a12 12 0 0 1 16 0M12 13a8 8 0 0 1 10 0" />
        <path className="router-mast" d="M17 22v-6" />
        <rect className="router-case" x="5" y="21" width="24" height="8" rx="2" />
        <circle className={network.internet ? "router-light on" : "router-light"} cx="10" cy="25" r="1.7" />
      </svg>
      <div className="grow">
        <strong className="break">{network.ssid}</strong>
        <span className="soft small"> {network.security === "open" ? "open" : network.security.toUpperCase()}</span>
        {network.password_hint && (
          <div className="wall-note" title="A note on the wall: the Wi-Fi password">
            <span className="soft">Password</span> <span className="mono break">{network.password_hint}</span>
          </div>
        )}
        <div className="router-switches">
          <Switch
            size="xs"
            label="Router"
            aria-label={`Router of ${network.ssid} at ${place.name}`}
            checked={network.up}
            onChange={(event) => {
              const up = event.currentTarget.checked;
              run(() => switchNetwork(place.id, network.ssid, { up }));
            }}
          />
          <Switch
            size="xs"
            label="Internet"
            aria-label={`Internet of ${network.ssid} at ${place.name}`}
            checked={network.internet}
            onChange={(event) => {
              const internet = event.currentTarget.checked;
              run(() => switchNetwork(place.id, network.ssid, { internet }));
            }}
          />
        </div>
      </div>
    </li>
  );
}

function WorkshopRoof() {
  return (
    <svg className="roof" viewBox="0 0 300 54" preserveAspectRatio="none" aria-hidden="true">
      <path className="roof-tiles" d="M0 54V26L72 6v20L150 6v20L228 6v20l72-20v48z" />
      <path className="roof-glass" d="M8 30l56-16v12L8 42zM86 30l56-16v12L86 42zM164 30l56-16v12l-56 16z" />
    </svg>
  );
}

function HomeRoof() {
  return (
    <svg className="roof" viewBox="0 0 300 54" preserveAspectRatio="none" aria-hidden="true">
      <path className="roof-chimney" d="M222 6h22v34h-22z" />
      <path className="roof-tiles" d="M0 54 150 4l150 50z" />
    </svg>
  );
}
