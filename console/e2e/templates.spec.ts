import { expect, test, type Page } from "@playwright/test";

import { MadeUpServer } from "./madeUpServer";
import { device, emptyWorld, fullWorld } from "./madeUpWorld";

async function fitsItsWindow(page: Page) {
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
}

test("a template is made on the page of templates, and its page opens", async ({ page }, info) => {
  const server = await MadeUpServer.start(page, emptyWorld());
  await page.goto("/templates");
  await expect(page.getByRole("heading", { name: "No templates yet" })).toBeVisible();
  await page.getByRole("button", { name: "New template" }).click();
  const dialog = page.getByRole("dialog", { name: "New template" });
  await expect(dialog.getByRole("button", { name: "Create template" })).toBeDisabled();
  await dialog.getByRole("textbox", { name: "New template" }).fill("Door Opener");
  await page.screenshot({ path: `test-results/pages/template-new-${info.project.name}.png` });
  await dialog.getByRole("button", { name: "Create template" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Door Opener" })).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ path: "/api/v1/templates", body: { name: "Door Opener" } });
});

test("the only template is chosen already", async ({ page }) => {
  const world = fullWorld();
  await MadeUpServer.start(page, { ...world, templates: world.templates.slice(0, 1) });
  await page.goto("/add");
  await expect(page.getByRole("combobox", { name: "Template" })).toHaveValue("Air Monitor");
  await expect(page.getByRole("button", { name: "Continue" })).toBeEnabled();
});

test("of several templates none is chosen before somebody chooses", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/add");
  await expect(page.getByRole("combobox", { name: "Template" })).toHaveValue("");
  await expect(page.getByRole("button", { name: "Continue" })).toBeDisabled();
});

test("a template is renamed, and its boards are said to keep their hotspots", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("menuitem", { name: "Rename…" }).click();
  const dialog = page.getByRole("dialog", { name: "Rename template" });
  await expect(dialog).toContainText("their hotspots do not change");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Room sensor");
  await dialog.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Room sensor" })).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ method: "PATCH", body: { name: "Room sensor" } });
});

test("a template goes once nothing uses it, and the reason is told while something does", async ({ page }, info) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete Air Monitor?" });
  await dialog.getByRole("button", { name: "Delete the template" }).click();
  await expect(dialog.getByRole("alert")).toContainText("Devices are of this template.");
  await page.screenshot({ path: `test-results/pages/template-in-use-${info.project.name}.png` });
  server.world.devices = [];
  await dialog.getByRole("button", { name: "Delete the template" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Templates" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Industrial Water Meter Pro" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Air Monitor" })).toHaveCount(0);
});

test("boards that nobody named are told apart by their hotspots", async ({ page }, info) => {
  const unnamed = ["1W7R", "9QX2"].map((suffix, index) =>
    device({ id: `dev_7${index}`, name: "Air Monitor", hotspot_name: `Blynk Air Monitor-${suffix}` }),
  );
  const silent = device({ id: "dev_79", name: "Air Monitor", hotspot_name: null, uid: "246F28AABB01" });
  await MadeUpServer.start(page, { ...fullWorld(), devices: [...unnamed, silent] });
  await page.goto("/devices");
  for (const mark of ["Blynk Air Monitor-1W7R", "Blynk Air Monitor-9QX2", "246F28AABB01"]) {
    await expect(page.getByRole("row").filter({ hasText: mark })).toHaveCount(1);
  }
  await page.screenshot({ path: `test-results/pages/devices-unnamed-${info.project.name}.png` });
  await fitsItsWindow(page);
});

test("a board without a release key is offered no release by phone, and the page says why", async ({ page }, info) => {
  const world = fullWorld();
  world.devices = world.devices.map((known) => ({ ...known, has_release_key: false }));
  await MadeUpServer.start(page, world);
  await page.goto("/devices/dev_03");
  await expect(page.getByTestId("release-verdict")).toContainText("Not safe to ship yet");
  await expect(page.getByText("not known to hold a release key")).toBeVisible();
  await expect(page.getByRole("button", { name: "Release without network…" })).toHaveCount(0);
  await page.screenshot({ path: `test-results/pages/release-no-key-${info.project.name}.png`, fullPage: true });
  await page.goto("/devices/dev_04");
  await expect(page.getByTestId("release-verdict")).toContainText("Safe to ship");
  await expect(page.getByText("not known to hold a release key"), "a wiped board needs no advice").toHaveCount(0);
});

test("new Edgent is given no port, and the page says where it looks", async ({ page }, info) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/add");
  await page.getByPlaceholder("Choose").click();
  await page.getByRole("option", { name: "Air Monitor" }).click();
  await page.getByRole("radio", { name: "Blynk.Edgent, new" }).check();
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByTestId("copy-host")).toHaveText("127.0.0.1");
  await expect(page.getByTestId("copy-port")).toHaveCount(0);
  await expect(page.getByText("it tries 443, then 9443, and this server answers on 8443")).toBeVisible();
  await page.screenshot({ path: `test-results/pages/add-edgent-new-${info.project.name}.png`, fullPage: true });
  await fitsItsWindow(page);
});
