import { expect, test } from "@playwright/test";

import { MadeUpServer } from "./madeUpServer";
import { emptyWorld, fullWorld } from "./madeUpWorld";

const FILE = { mimeType: "application/octet-stream", buffer: Buffer.alloc(4_000, 7) };

test("without firmware the page says how to begin", async ({ page }) => {
  await MadeUpServer.start(page, emptyWorld());
  await page.goto("/firmware");
  await expect(page.getByRole("heading", { name: "No firmware yet" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "No shipments yet" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Ship firmware…" })).toHaveCount(0);
});

test("a file is uploaded and shipped to chosen devices", async ({ page }, info) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/firmware");
  await page.getByLabel("Choose a firmware file, or drop it here").setInputFiles({ name: "air.bin", ...FILE });
  const notice = page.getByRole("status").filter({ hasText: "air.bin is uploaded" });
  await expect(notice).toContainText("version 2.0.0");
  expect(server.writes.at(-1)).toMatchObject({ method: "POST", path: "/api/v1/firmware" });
  expect(server.writes.at(-1)?.query.get("file_name")).toBe("air.bin");
  await notice.getByRole("button", { name: "Ship it…" }).click();

  const dialog = page.getByRole("dialog", { name: "Ship firmware" });
  await expect(dialog.getByRole("combobox", { name: "Template" })).toHaveValue("Air Monitor");
  await dialog.getByText("Chosen ones").click();
  await expect(dialog.getByRole("button", { name: "Ship now" })).toBeDisabled();
  await expect(dialog.getByRole("checkbox", { name: "Demo unit 6" })).toHaveCount(0);
  await dialog.getByRole("checkbox", { name: "Greenhouse north" }).check();
  await dialog.getByRole("textbox", { name: "Canaries" }).fill("50");
  await page.screenshot({ path: `test-results/pages/ship-dialog-${info.project.name}.png` });
  await dialog.getByRole("button", { name: "Ship now" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Version 2.0.0" })).toBeVisible();
  expect(server.writes.at(-1)?.body).toEqual({
    name: "Version 2.0.0",
    template_id: "TMPL4kq9Zt2aB",
    firmware_id: "FW99",
    device_ids: ["dev_02"],
    percent: null,
    canary_percent: 50,
    rule: "lower_version",
    failure_percent_max: 20,
    attempts_max: 3,
  });
});

test("a file that is no firmware is refused in the server's words", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/firmware");
  await page.getByLabel("Choose a firmware file, or drop it here").setInputFiles({ name: "notes.txt", ...FILE });
  await expect(page.getByRole("alert")).toContainText("The file has no firmware tag.");
});

test("a file above the server's limit is refused before it is sent, with both sizes", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  server.world.firmwareBytesMax = 3_000;
  await page.goto("/firmware");
  await expect(page.getByRole("link", { name: "Autumn update" })).toBeVisible();
  await page.getByLabel("Choose a firmware file, or drop it here").setInputFiles({ name: "air.bin", ...FILE });
  await expect(page.getByRole("alert")).toHaveText("air.bin has 4.0 kB; the server takes at most 3.0 kB.");
  expect(server.writes).toEqual([]);
});

test("an image goes after a question, unless a shipment names it", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/firmware");
  const images = page.getByRole("table", { name: "firmware images" });
  await page.getByRole("button", { name: "Delete air-monitor-1.5.0.bin" }).click();
  await page.getByRole("button", { name: "Delete the image" }).click();
  await expect(page.getByRole("alert")).toContainText("A shipment names this image");
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Delete air-monitor-1.4.0.bin" }).click();
  await page.getByRole("button", { name: "Delete the image" }).click();
  await expect(images.getByText("air-monitor-1.4.0.bin")).toHaveCount(0);
  await expect(images.getByText("air-monitor-1.5.0.bin")).toBeVisible();
});

test("a shipment is followed device by device, paused, resumed and cancelled", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/firmware");
  await page.getByRole("link", { name: "Autumn update" }).click();
  const devices = page.getByRole("table", { name: "devices of the shipment" });
  await expect(devices.getByRole("row").filter({ hasText: "Greenhouse north" })).toContainText("Rolled back");
  await expect(page.getByText("1 of 3 updated, 1 failed, 1 open")).toBeVisible();

  await page.getByRole("button", { name: "Pause…" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(page.getByText("Paused", { exact: true })).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ method: "PATCH", body: { state: "paused" } });
  await page.getByRole("button", { name: "Resume…" }).click();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await expect(page.getByText("Running", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Cancel the shipment…" }).click();
  await page.getByRole("button", { name: "Cancel the shipment", exact: true }).click();
  await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Resume…" })).toHaveCount(0);
});

test("the page of a running shipment shows what became of its devices without a reload", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/firmware/shipments/SHIP01");
  await expect(page.getByText("1 of 3 updated, 1 failed, 1 open")).toBeVisible();
  const found = server.world.shipments.find(({ id }) => id === "SHIP01")!;
  Object.assign(found, { state: "finished", counts: { succeeded: 2, failed: 1, passed_over: 0, open: 0 } });
  server.world.deliveries.SHIP01![2]!.state = "success";
  await expect(page.getByText("2 of 3 updated, 1 failed")).toBeVisible();
  const row = page.getByRole("table", { name: "devices of the shipment" }).getByRole("row", { name: "Demo unit 7" });
  await expect(row).toContainText("Updated");
});

test("a device says which shipment is under way for it", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  server.world.deliveries.SHIP01![0]!.state = "requested";
  await page.goto("/devices/dev_01");
  const line = page.getByTestId("device-shipment").filter({ hasText: "brings firmware 1.5.0" });
  await expect(line).toContainText("Downloading");
  await line.getByRole("link", { name: "Autumn update" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Autumn update" })).toBeVisible();
});
