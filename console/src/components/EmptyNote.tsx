import type { ReactNode } from "react";

import { Icon, type IconName } from "./Icon";

export function EmptyNote(props: { icon: IconName; title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <span className="soft">
        <Icon name={props.icon} size={34} />
      </span>
      <h2>{props.title}</h2>
      <p>{props.children}</p>
      {props.action}
    </div>
  );
}
