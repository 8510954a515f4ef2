import type { StatusMark as Mark } from "../logic/deviceStatus";

export function StatusMark({ mark }: { mark: Mark }) {
  return <span className={`mark ${mark.tone}`}>{mark.label}</span>;
}
