import { expect, test } from "@playwright/test";

import { entry } from "./madeUpNotices";
import { MadeUpServer } from "./madeUpServer";
import { ago, fullWorld } from "./madeUpWorld";

test("a timeline says what happened, in words as well as colours, and shows older entries", async ({ page }, info) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Timeline" });
  const entries = panel.getByRole("list", { name: "Timeline, newest first" }).locator("> li");
  await expect(entries).toHaveCount(20);
  await expect(entries.nth(0)).toContainText(/Critical.*Leak under the sink.*has been wet for 4 minutes.*3 minutes ago/);
  await expect(entries.nth(4)).toContainText("Resolved by owner");
  await expect(entries.nth(4).getByRole("list", { name: "Comments" })).toContainText("It stood in the sun.");
  await panel.screenshot({ path: `test-results/pages/timeline-${info.project.name}.png` });
  await panel.getByRole("button", { name: "Show older ones" }).click();
  await expect(entries).toHaveCount(37);
  await expect(panel.getByRole("button", { name: "Show older ones" })).toBeHidden();
});

test("an event is resolved, commented and archived, and found again among the archived", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Timeline" });
  const leak = panel.getByRole("listitem").filter({ hasText: "Leak under the sink" });
  await panel.getByRole("button", { name: "Resolve: Leak under the sink" }).click();
  await expect(leak).toContainText("Resolved by owner");
  expect(server.writes.at(-1)).toMatchObject({ method: "PATCH", path: "/api/v1/devices/dev_01/timeline/107", body: { resolved: true } });
  await expect(panel.getByRole("button", { name: "Archive: Self-test 30 passed" })).toHaveCount(1);
  await expect(panel.getByRole("button", { name: "Resolve: Self-test 30 passed" })).toHaveCount(0);
  await panel.getByRole("button", { name: "Comment: Leak under the sink" }).click();
  await panel.getByRole("textbox", { name: "Comment" }).fill("The seal was worn.");
  await panel.getByRole("button", { name: "Save the comment" }).click();
  await expect(leak).toContainText("The seal was worn.");
  await panel.getByRole("button", { name: "Archive: Leak under the sink" }).click();
  await expect(leak).toHaveCount(0);
  await panel.getByRole("combobox", { name: "Show" }).click();
  await page.getByRole("option", { name: "Archived" }).click();
  await expect(leak).toContainText("The seal was worn.");
  await panel.getByRole("button", { name: "Bring back: Leak under the sink" }).click();
  await expect(panel).toContainText("No entry matches.");
});

test("a note is written, and types are looked at one by one", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Timeline" });
  await panel.getByRole("button", { name: "Write a note" }).click();
  await expect(panel.getByRole("button", { name: "Save the note" })).toBeDisabled();
  await panel.getByRole("textbox", { name: "Note" }).fill("Moved to the cellar.");
  await panel.getByRole("button", { name: "Save the note" }).click();
  await expect(panel.getByRole("listitem").first()).toContainText("Moved to the cellar.");
  expect(server.writes.at(-1)).toMatchObject({ method: "POST", body: { text: "Moved to the cellar." } });
  await panel.getByRole("combobox", { name: "Type" }).click();
  await page.getByRole("option", { name: "Note", exact: true }).click();
  await expect(panel.getByRole("list", { name: "Timeline, newest first" }).locator("> li")).toHaveCount(2);
});

test("a new entry and a new status appear by themselves", async ({ page }, info) => {
  const world = fullWorld();
  const server = await MadeUpServer.start(page, world);
  await page.goto("/devices/dev_01");
  await expect(page.getByTestId("lifecycle-status")).toHaveText(/^for 12 min/);
  const fresh = entry({ id: 200, type: "warning", title: "Battery low", description: "2.9 V", at: ago(0) });
  world.notices.timeline.unshift(fresh);
  await server.emit("/api/v1/events", "timeline", { device_id: "dev_01", entry: fresh });
  const panel = page.getByRole("region", { name: "Timeline" });
  await expect(panel.getByRole("listitem").first()).toContainText("Battery low");
  const status = { kind: "custom", name: "Inactive", color: "#8A5A00", since: ago(1_505) };
  await server.emit("/api/v1/events", "status", { device_id: "dev_01", status });
  await expect(page.getByTestId("lifecycle-status")).toHaveText("Inactivefor 1 d 1 h");
  await page.screenshot({ path: `test-results/pages/lifecycle-${info.project.name}.png` });
});
