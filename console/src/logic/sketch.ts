import type { Template } from "../api/types";

type Server = { host: string; plain_port: number };

/** The lines to put at the top of a sketch that uses the Blynk library with a token of its own. */
export function sketchLines(template: Pick<Template, "id" | "name">, token: string, server: Server): string {
  return [
    `#define BLYNK_TEMPLATE_ID   ${quoted(template.id)}`,
    `#define BLYNK_TEMPLATE_NAME ${quoted(template.name)}`,
    `#define BLYNK_AUTH_TOKEN    ${quoted(token)}`,
    "",
    `Blynk.begin(BLYNK_AUTH_TOKEN, ssid, pass, ${quoted(server.host)}, ${server.plain_port});`,
  ].join("\n");
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
