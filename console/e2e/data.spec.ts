import { expect, test, type Page } from "@playwright/test";

import { MadeUpServer } from "./madeUpServer";
import { fullWorld } from "./madeUpWorld";

async function openHistory(page: Page, name: string) {
  await page.goto("/devices/dev_01");
  await page.getByRole("button", { name: `History of ${name}`, exact: true }).click();
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`the history of a pin is drawn in ${colorScheme} colours, and the page does not jump`, async ({ page }, info) => {
    await page.emulateMedia({ colorScheme });
    await MadeUpServer.start(page, fullWorld());
    await openHistory(page, "V1");
    const chart = page.getByRole("img", { name: /^Temperature \(V1\) over the last day: lowest/ });
    await expect(chart.locator("canvas")).toBeVisible();
    const below = page.getByRole("link", { name: "CSV" });
    const before = await below.boundingBox();
    for (const range of ["1 h", "1 w", "1 mo", "1 y"]) {
      await page.getByRole("radiogroup", { name: "Range of the history" }).getByText(range, { exact: true }).click();
      await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
      await expect(page.locator(".history-chart canvas")).toBeVisible();
      expect((await below.boundingBox())?.y).toBe(before?.y);
      const name = `${info.project.name}-${colorScheme}-${range.replace(" ", "")}`;
      await page.locator(".history-chart").screenshot({ path: `test-results/pages/history-${name}.png` });
    }
    await page.getByText("Properties (2)").click();
    await page.screenshot({ path: `test-results/pages/history-${info.project.name}-${colorScheme}.png`, fullPage: true });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  });
}

test("a chart is read by keyboard, and a table has the same numbers", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await openHistory(page, "V1");
  const chart = page.getByRole("img", { name: /^Temperature/ });
  await chart.focus();
  await page.keyboard.press("End");
  const said = page.locator(".history-chart figcaption");
  await expect(said).toContainText(/: mean [\d.]+ °C, from [\d.]+ °C to [\d.]+ °C$/);
  const last = await said.textContent();
  await page.keyboard.press("ArrowLeft");
  await expect(said).not.toHaveText(last ?? "");
  await page.keyboard.press("Escape");
  await expect(said).toContainText("Temperature (V1) over the last day");

  await page.getByText("Table", { exact: true }).click();
  const table = page.getByRole("region", { name: "History of Temperature (V1) as a table" });
  await expect(table.getByRole("columnheader")).toHaveText(["Time", "Mean", "Smallest", "Largest", "Values"]);
  const mean = /mean ([\d.]+)/.exec(last ?? "")?.[1] ?? "none";
  await expect(table.getByRole("row").nth(1)).toContainText(mean);
  await expect(table.getByRole("row")).toHaveCount(101);
  await table.getByRole("button", { name: "Show older ones" }).click();
  await expect(table.getByRole("row")).toHaveCount(201);
});

test("history is downloaded as it is shown, and erased after a question", async ({ page }, info) => {
  await page.emulateMedia({ colorScheme: "dark" });
  const server = await MadeUpServer.start(page, fullWorld());
  await openHistory(page, "V1");
  const link = page.getByRole("link", { name: "CSV" });
  await expect(link).toHaveAttribute("href", /^\/api\/v1\/devices\/dev_01\/export\?pin=V1&from=\d+&step=minute$/);
  await page.getByRole("button", { name: "Erase…" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase the history of Temperature (V1)" });
  await dialog.getByText("The last day").click();
  await expect(dialog.getByRole("button", { name: "Erase the last day" })).toBeVisible();
  await page.screenshot({ path: `test-results/pages/erase-dialog-${info.project.name}.png` });
  await dialog.getByText("Everything", { exact: true }).click();
  await dialog.getByRole("button", { name: "Erase everything" }).click();
  await expect(dialog).toBeHidden();
  const sent = server.writes.at(-1);
  expect(sent).toMatchObject({ method: "DELETE", path: "/api/v1/devices/dev_01/datastreams/1/history" });
  expect(sent?.query.toString()).toBe("");
  await expect(page.getByText("Nothing was written in the last day.")).toBeVisible();
});

test("on and off are words, in the list and in the history", async ({ page }, info) => {
  await MadeUpServer.start(page, fullWorld());
  await openHistory(page, "V3");
  await expect(page.getByTestId("pin-3").getByText("On", { exact: true })).toBeVisible();
  await page.getByText("1 h", { exact: true }).click();
  await expect(page.locator(".history-chart canvas")).toBeVisible();
  await page.locator(".history-chart").screenshot({ path: `test-results/pages/history-${info.project.name}-boolean.png` });
  await page.getByText("Table", { exact: true }).click();
  const first = page.getByRole("region", { name: "History of Pump (V3) as a table" }).getByRole("row").nth(1);
  await expect(first).toContainText(/(On|Off)$/);
});

test("metadata is shown, changed and added; the zone is one of those there are", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Metadata" });
  await expect(panel).toContainText("Europe/Berlin, the server’s");
  await panel.getByRole("button", { name: "Change Device Timezone" }).click();
  await panel.getByRole("combobox", { name: "Device Timezone" }).fill("Asia/Tok");
  await page.getByRole("option", { name: "Asia/Tokyo" }).click();
  await panel.getByRole("button", { name: "Save" }).click();
  await expect(panel.getByText("Asia/Tokyo")).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ method: "PUT", body: { value: "Asia/Tokyo" } });
  await panel.getByRole("button", { name: "Add a field" }).click();
  await panel.getByLabel("Field", { exact: true }).fill("Room");
  await panel.getByLabel("Its value").fill("Kitchen");
  await panel.getByRole("button", { name: "Add", exact: true }).click();
  await expect(panel.getByText("Kitchen")).toBeVisible();
  expect(server.writes.at(-1)?.path).toBe("/api/v1/devices/dev_01/metadata/Room");
});

test("files of a device are listed, linked and deleted after a question", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Files" });
  await expect(panel.getByRole("listitem").first()).toContainText("Crash dump");
  await expect(panel.getByRole("link", { name: "coredump.bin" })).toHaveAttribute("href", "/api/v1/devices/dev_01/files/k1");
  await panel.getByRole("button", { name: "Delete coredump.bin" }).click();
  await page.getByRole("dialog", { name: "Delete coredump.bin" }).getByRole("button", { name: "Delete the file" }).click();
  await expect(panel.getByRole("link", { name: "coredump.bin" })).toHaveCount(0);
});

test("a file that is too large is refused before it is sent", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await page.getByRole("button", { name: "History", exact: true }).click();
  await page.getByRole("menuitem", { name: "Import a CSV file…" }).click();
  const dialog = page.getByRole("dialog", { name: "Import history" });
  const large = { name: "large.csv", mimeType: "text/csv", buffer: Buffer.alloc(2_200_000, "1") };
  await dialog.getByLabel("CSV file").setInputFiles(large);
  await expect(dialog).toContainText("large.csv has 2.2 MB; the server takes at most 2.1 MB.");
  await expect(dialog.getByRole("button", { name: "Import" })).toBeDisabled();
  expect(server.writes).toEqual([]);
});
