import { expect, test } from "vitest";

import { openHotspotQrText, setupLink } from "./setupLink";

const binding = { token: "k3Jq9ZtVw2aBx81Kw0pQm7RdYcLsN4He", host: "cloud.example", port: 8443 };

test("the values of a setup link travel in the fragment only", () => {
  const link = new URL(setupLink("http://192.168.4.1/", binding));
  expect(link.search).toBe("");
  expect(link.hash).toBe("#blynk=k3Jq9ZtVw2aBx81Kw0pQm7RdYcLsN4He&host=cloud.example&port_ssl=8443");
});

test("a setup link carries the token and leaves the claim code to people who type", () => {
  expect(setupLink("http://192.168.4.1/", { ...binding, claim_code: "9EF5-4D64" })).not.toContain("9EF5");
});

test("a setup link replaces a fragment that was already there", () => {
  expect(setupLink("http://127.0.0.1:40001/#old=1", binding)).toMatch(/^http:\/\/127\.0\.0\.1:40001\/#blynk=/);
});

test("characters with a meaning of their own survive a setup link", () => {
  const link = setupLink("http://192.168.4.1/", { ...binding, host: "a&b=c#d" });
  const fields = new URLSearchParams(new URL(link).hash.slice(1));
  expect(fields.get("host")).toBe("a&b=c#d");
});

test("special characters of a hotspot name are escaped in its QR code", () => {
  expect(openHotspotQrText('A;B,C:D"E\\F')).toBe('WIFI:T:nopass;S:A\\;B\\,C\\:D\\"E\\\\F;;');
});
