/** What a board has to be told so that it can find its cloud. */
export type CloudBinding = {
  /** 32 characters; a secret, kept in memory only. */
  token: string;
  host: string;
  port: number;
  /** Stands for the token for 15 minutes, for people who type; absent where nobody may type one. */
  claim_code?: string | null;
};

/** Address of a board's own setup page when a phone has joined its hotspot. */
export const HOTSPOT_PAGE = "http://192.168.4.1/";

/**
 * Address of a setup page with the values already filled in.
 *
 * They travel in the fragment, which a browser never sends: only the page itself reads them.
 */
export function setupLink(page: string, binding: CloudBinding): string {
  const fields = [
    ["blynk", binding.token],
    ["host", binding.host],
    ["port_ssl", String(binding.port)],
  ];
  const fragment = fields.map(([name, value]) => `${name}=${encodeURIComponent(value ?? "")}`).join("&");
  return `${page.replace(/#.*$/, "")}#${fragment}`;
}

/** Text of the QR code that lets a phone join an open hotspot. `\ ; , " :` are escaped with a backslash. */
export function openHotspotQrText(ssid: string): string {
  return `WIFI:T:nopass;S:${ssid.replace(/([\\;,":])/g, "\\$1")};;`;
}
