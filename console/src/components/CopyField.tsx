import { useState } from "react";

import { copyText } from "../logic/clipboard";
import { IconButton } from "./IconButton";
import "../styles/copyField.css";

/** A value with a button that copies it. */
export function CopyField({ label, value }: { label: string; value: string }) {
  return (
    <div className="copy-field">
      <span className="copy-label">{label}</span>
      <code className="mono break" data-testid={`copy-${label.toLowerCase().replace(/\W+/g, "-")}`}>
        {value}
      </code>
      <CopyAction label={label} value={value} />
    </div>
  );
}

export function CopyAction({ label, value }: { label: string; value: string }) {
  const [state, setState] = useState<"ready" | "copied" | "failed">("ready");
  const hint = { ready: `Copy ${label}`, copied: "Copied", failed: "Select the text and copy it by hand" }[state];
  const copy = async () => {
    setState((await copyText(value)) ? "copied" : "failed");
    setTimeout(() => setState("ready"), 1_800);
  };
  return (
    <IconButton
      label={hint}
      icon={state === "copied" ? "check" : "copy"}
      iconSize={17}
      onClick={() => void copy()}
      color={state === "copied" ? "harbour" : "gray"}
    />
  );
}
