import { expect, test } from "@playwright/test";

import { entry } from "./madeUpNotices";
import { MadeUpServer } from "./madeUpServer";
import { ago, fullWorld } from "./madeUpWorld";

test("a timeline says what happened, in words as well as colours, and shows older entries", async ({ page }, info) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Timeline" });
  const entries = panel.getByRole("list", { name: "Timeline, newest first" }).locator("> li");
  await expect(entries).toHaveCount(10);
  await expect(entries.nth(0)).toContainText(/Critical.*Leak under the sink.*has been wet for 4 minutes.*3 minutes ago/);
  await expect(entries.nth(4)).toContainText("Resolved by owner");
  await expect(entries.nth(4).getByRole("list", { name: "Comments" })).toContainText("It stood in the sun.");
  await panel.screenshot({ path: `test-results/pages/timeline-${info.project.name}.png` });
  for (const count of [20, 30, 37]) {
    await panel.getByRole("button", { name: "Show older ones" }).click();
    await expect(entries).toHaveCount(count);
  }
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
  await expect(page.getByTestId("lifecycle-status")).toHaveText("for 12 min");
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

test("an event is added, changed and taken away", async ({ page }, info) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  const table = page.getByRole("table", { name: "events" });
  await expect(table.getByRole("row").filter({ hasText: "Leak under the sink" })).toContainText("Critical");
  await expect(table).toContainText("e-mail and webhooks, once in 1 h");
  await page.getByRole("button", { name: "Add an event" }).click();
  const dialog = page.getByRole("dialog", { name: "Add an event" });
  await dialog.getByRole("textbox", { name: "Name" }).fill("Door open");
  await dialog.getByRole("textbox", { name: "Code" }).fill("leak");
  await expect(dialog).toContainText("There is an event with the code leak already.");
  await expect(dialog.getByRole("button", { name: "Save" })).toBeDisabled();
  await dialog.getByRole("textbox", { name: "Code" }).fill("door_open");
  await dialog.getByLabel("The recipients, by e-mail").check();
  await dialog.getByLabel("Only after so many events").fill("3");
  await dialog.getByLabel("At most one notification in a period").check();
  await dialog.getByLabel("Period in seconds").fill("600");
  await page.screenshot({ path: `test-results/pages/event-dialog-${info.project.name}.png` });
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(table).toContainText("e-mail, after 3 events, once in 10 min");
  expect(server.writes.at(-1)).toMatchObject({
    method: "PUT",
    path: "/api/v1/templates/TMPL4kq9Zt2aB/events/door_open",
    body: { type: "info", show_on_timeline: true, notifying: { email: true, webhooks: false, limit_period_s: 600, after_count: 3 } },
  });
  await page.getByRole("button", { name: "Edit Door open" }).click();
  await expect(page.getByRole("textbox", { name: "Code" })).toBeDisabled();
  await page.getByRole("button", { name: "Take the event away" }).click();
  await expect(table).not.toContainText("Door open");
});

test("the lifecycle gets a second status of its own, then no more, and short absences are left out", async ({ page }, info) => {
  await page.emulateMedia({ colorScheme: "dark" });
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  const panel = page.getByRole("region", { name: "Connection lifecycle" });
  await expect(panel.getByRole("row").filter({ hasText: "Offline" })).toContainText("1 min after it disconnects");
  await panel.getByRole("button", { name: "Add a status" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a status" });
  await dialog.getByRole("textbox", { name: "Name" }).fill("Lost");
  await dialog.getByRole("textbox", { name: "Colour" }).fill("#B3261E");
  await dialog.getByLabel("Seconds after the status before").fill("172800");
  await page.screenshot({ path: `test-results/pages/status-dialog-${info.project.name}.png` });
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(panel.getByRole("row").filter({ hasText: "Lost" })).toContainText("2 d after the status before");
  await expect(panel.getByRole("button", { name: "Add a status" })).toBeHidden();
  await panel.getByLabel("Leave short absences out").check();
  await panel.getByLabel("Shorter than so many seconds").fill("120");
  await panel.getByLabel("Online when data is reported").check();
  await panel.getByRole("button", { name: "Save" }).click();
  await expect(panel.getByRole("button", { name: "Save" })).toBeHidden();
  expect(server.world.notices.lifecycle).toMatchObject({ offline_ignore_s: 120, online_when_data_is_reported: true });
  expect(server.world.notices.lifecycle.custom?.map(({ name }) => name)).toEqual(["Inactive", "Lost"]);
  await panel.getByRole("button", { name: "Edit Inactive" }).click();
  await page.getByRole("button", { name: "Take the status away" }).click();
  await expect(panel.getByRole("row").filter({ hasText: "Inactive" })).toHaveCount(0);
});

test("recipients are added and removed, and each stands there once", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  const panel = page.getByRole("region", { name: "Recipients" });
  await panel.getByLabel("E-mail address").fill("workshop@example.org");
  await expect(panel.getByRole("button", { name: "Add" })).toBeDisabled();
  await panel.getByLabel("E-mail address").fill("night@example.org");
  await panel.getByRole("button", { name: "Add" }).click();
  await expect(panel.getByRole("listitem")).toHaveText(["workshop@example.org", "night@example.org"]);
  await panel.getByRole("button", { name: "Remove workshop@example.org" }).click();
  await expect(panel.getByRole("listitem")).toHaveText(["night@example.org"]);
  expect(server.writes.at(-1)?.body).toEqual({ email: ["night@example.org"] });
});

test("the secret of a webhook is shown once, and deleting one asks first", async ({ page }, info) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  const panel = page.getByRole("region", { name: "Webhooks" });
  await panel.getByRole("button", { name: "Add a webhook" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a webhook" });
  await dialog.getByRole("textbox", { name: "Name" }).fill("Pager");
  await dialog.getByRole("textbox", { name: "Address" }).fill("https://pager.example.org/in");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  const shown = page.getByRole("dialog", { name: "The secret of Pager" });
  await expect(shown.getByTestId("copy-secret")).toHaveText("made-up-secret-of-the-webhook-0001");
  await page.screenshot({ path: `test-results/pages/webhook-secret-${info.project.name}.png` });
  await shown.getByRole("button", { name: "I have copied it" }).click();
  await expect(page.getByText("made-up-secret")).toHaveCount(0);
  await panel.getByRole("button", { name: "Delete Pager" }).click();
  await page.getByRole("button", { name: "Delete the webhook" }).click();
  await expect(panel.getByRole("listitem")).toHaveCount(1);
});

test("notifications that were given up say why, and are tried again or deleted", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/notifications");
  const dead = page.getByRole("table", { name: "notifications that were given up" });
  const call = dead.getByRole("row").filter({ hasText: "webhook 3" });
  await expect(call).toContainText("The webhook answered 500.");
  await expect(call.getByRole("link", { name: "Living room" })).toBeVisible();
  await call.getByRole("button", { name: /^Try again/ }).click();
  await expect(call).toHaveCount(0);
  expect(server.writes.at(-1)?.path).toBe("/api/v1/notifications/11/retry");
  await dead.getByRole("button", { name: /^Delete: .* to workshop@example.org$/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete it" }).click();
  await expect(page.getByRole("heading", { name: "Nothing was given up" })).toBeVisible();
  await page.getByText("Waiting", { exact: true }).click();
  const waiting = page.getByRole("table", { name: "notifications that wait" });
  await expect(waiting.getByRole("row").filter({ hasText: "No answer within 10 s." })).toContainText(
    "After 2 attempts, next in 3 minutes",
  );
});

test("a notification that was delivered meanwhile says so and leaves the list", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/notifications");
  const table = page.getByRole("table", { name: "notifications that were given up" });
  await expect(table.getByRole("row")).toHaveCount(3);
  server.world.notices.notifications = server.world.notices.notifications.filter(({ id }) => id !== 11);
  await table.getByRole("button", { name: /^Try again: .* to webhook 3$/ }).click();
  await expect(page.getByRole("alert")).toContainText("it may have been delivered meanwhile");
  await expect(table.getByRole("row")).toHaveCount(2);
});

test("a connected device takes orders, after a question where it would go away", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  const panel = page.getByRole("region", { name: "Orders" });
  await panel.getByRole("button", { name: "Ping" }).click();
  await expect(panel.getByRole("status")).toHaveText("The ping was sent.");
  await panel.getByRole("button", { name: "Restart…" }).click();
  const question = page.getByRole("dialog", { name: "Restart this device?" });
  await question.getByRole("button", { name: "Leave it" }).click();
  await expect(question).toBeHidden();
  expect(server.writes.map(({ body }) => body)).toEqual([{ command: "ping" }]);
  await panel.getByRole("button", { name: "Set up anew…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Open its hotspot" }).click();
  await expect(panel.getByRole("status")).toContainText("opens its hotspot");
  server.world.notices.refusesOrders = true;
  await panel.getByRole("button", { name: "Restart…" }).click();
  await question.getByRole("button", { name: "Restart it" }).click();
  await expect(panel.getByRole("alert")).toContainText("Only a connected device takes orders.");
  await expect(panel.getByRole("status")).toBeEmpty();
  expect(server.writes.map(({ body }) => body.command)).toEqual(["ping", "reconfigure", "reboot"]);
});

test("an offline device takes no orders, and the page says why", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_02");
  const panel = page.getByRole("region", { name: "Orders" });
  await expect(panel).toContainText("The device is offline. Only a connected device takes orders.");
  await expect(panel.getByRole("button", { name: "Ping" })).toBeDisabled();
});

test("the gateway API is switched on for one template", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  const gateway = page.getByRole("switch", { name: "Gateway API" });
  await expect(gateway).not.toBeChecked();
  await gateway.click();
  await expect(gateway).toBeChecked();
  expect(server.writes.at(-1)).toMatchObject({ method: "PATCH", body: { gateway_api: true } });
});
