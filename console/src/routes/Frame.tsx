import { Drawer } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { followCloud } from "../api/cloudLive";
import type { FeedState } from "../api/liveFeed";
import { Icon, type IconName } from "../components/Icon";
import { SchemeSwitch } from "../components/SchemeSwitch";
import { useHasBench } from "../components/useHasBench";

type Entry = {
  to:
    | "/devices"
    | "/templates"
    | "/firmware"
    | "/bench"
    | "/sessions"
    | "/unknown-tokens"
    | "/notifications"
    | "/audit"
    | "/server"
    | "/settings";
  icon: IconName;
  label: string;
};

const DEVICES: Entry = { to: "/devices", icon: "devices", label: "Devices" };
const BENCH: Entry = { to: "/bench", icon: "bench", label: "Bench" };
const SETUPS: Entry = { to: "/sessions", icon: "setup", label: "Setups" };
const REST: Entry[] = [
  { to: "/templates", icon: "template", label: "Templates" },
  { to: "/firmware", icon: "download", label: "Firmware" },
  { to: "/notifications", icon: "bell", label: "Notifications" },
  { to: "/unknown-tokens", icon: "key", label: "Unknown tokens" },
  { to: "/audit", icon: "history", label: "Audit" },
  { to: "/server", icon: "server", label: "Server" },
  { to: "/settings", icon: "settings", label: "Settings" },
];

/** Navigation around every page, and the live connection that keeps the pages true. */
export function Frame() {
  const feed = useCloudFeed();
  const hasBench = useHasBench();
  const main = hasBench ? [DEVICES, BENCH, SETUPS] : [DEVICES, SETUPS];
  return (
    <div className="frame">
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <nav className="frame-nav" aria-label="Main">
        <Link to="/devices" className="brand">
          <img src="/icon.svg" alt="" />
          Rehome
        </Link>
        {[...main, ...REST].map((entry) => (
          <NavLink key={entry.to} entry={entry} />
        ))}
        <div className="nav-foot">
          <FeedMark state={feed} />
          <SchemeSwitch />
        </div>
      </nav>
      <main id="main" className="frame-main" tabIndex={-1}>
        <Outlet />
      </main>
      <TabBar entries={main} feed={feed} />
    </div>
  );
}

function NavLink({ entry, onFollow }: { entry: Entry; onFollow?: () => void }) {
  return (
    <Link to={entry.to} className="nav-link" activeProps={{ className: "active" }} onClick={onFollow}>
      <Icon name={entry.icon} />
      {entry.label}
    </Link>
  );
}

function TabBar({ entries, feed }: { entries: Entry[]; feed: FeedState }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <nav className="tab-bar" aria-label="Main">
      {entries.map((entry) => (
        <NavLink key={entry.to} entry={entry} />
      ))}
      <button type="button" className="nav-link" onClick={() => setOpen(true)} aria-haspopup="dialog">
        <Icon name="more" />
        More
      </button>
      <Drawer opened={isOpen} onClose={() => setOpen(false)} position="bottom" size="auto" title="More">
        <div className="more-list">
          {REST.map((entry) => (
            <NavLink key={entry.to} entry={entry} onFollow={() => setOpen(false)} />
          ))}
          <div className="nav-foot">
            <FeedMark state={feed} />
            <SchemeSwitch />
          </div>
        </div>
      </Drawer>
    </nav>
  );
}

function FeedMark({ state }: { state: FeedState }) {
  if (state === "live") return <span className="mark good">Live</span>;
  if (state === "connecting") return <span className="mark off">Connecting…</span>;
  return (
    <span className="mark wait" title="The connection to the server broke. It is being opened again.">
      Reconnecting…
    </span>
  );
}

function useCloudFeed(): FeedState {
  const queries = useQueryClient();
  const [state, setState] = useState<FeedState>("connecting");
  useEffect(() => followCloud(queries, setState), [queries]);
  return state;
}
