import { expect, test, type Page } from "@playwright/test";

import { dragInto, fingerDragInto } from "./dragInto";
import { MadeUpServer } from "./madeUpServer";
import { ago, emptyWorld, fullWorld } from "./madeUpWorld";

/** What the page complained about: script errors, and anything that the content security policy refused. */
function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (/content security policy|refused to/i.test(message.text())) complaints.push(message.text());
  });
  return complaints;
}

function outsideRequestsOf(page: Page): string[] {
  const outside: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).hostname !== "127.0.0.1") outside.push(request.url());
  });
  return outside;
}

const EVERY_PAGE = [
  ["/devices", "Devices"],
  ["/devices/dev_01", "Living room"],
  ["/devices/dev_03", "Demo unit 7"],
  ["/templates", "Templates"],
  ["/templates/TMPL4kq9Zt2aB", "Air Monitor"],
  ["/firmware", "Firmware"],
  ["/firmware/shipments/SHIP01", "Autumn update"],
  ["/add", "Add a device"],
  ["/sessions", "Setups"],
  ["/sessions/ps_02", "Setup"],
  ["/unknown-tokens", "Unknown tokens"],
  ["/notifications", "Notifications"],
  ["/audit", "Audit"],
  ["/server", "Server"],
  ["/settings", "Settings"],
  ["/bench", "Bench"],
] as const;

for (const colorScheme of ["light", "dark"] as const) {
  for (const [path, title] of EVERY_PAGE) {
    test(`${path} fits its window in ${colorScheme} colours and obeys the policy`, async ({ page }, info) => {
      const complaints = complaintsOf(page);
      const outside = outsideRequestsOf(page);
      await page.emulateMedia({ colorScheme });
      await MadeUpServer.start(page, fullWorld());
      await page.goto(path);
      await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
      await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
      await expect(page).toHaveTitle(/Rehome$/);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
      const name = `${path.slice(1).replaceAll("/", "-")}-${info.project.name}-${colorScheme}`;
      await page.screenshot({ path: `test-results/pages/${name}.png`, fullPage: true });
      expect(complaints).toEqual([]);
      expect(outside).toEqual([]);
    });
  }
}

test("a sign-in link signs in and leaves no trace in the address", async ({ page }) => {
  await MadeUpServer.start(page, { ...fullWorld(), isSignedIn: false });
  await page.goto("/#sign-in=good-code");
  await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
  expect(page.url()).not.toContain("sign-in");
});

test("a used sign-in link says so and offers the password", async ({ page }, info) => {
  await MadeUpServer.start(page, { ...fullWorld(), isSignedIn: false });
  await page.goto("/#sign-in=old-code");
  await expect(page.getByRole("alert")).toContainText("The sign-in link no longer works");
  await page.screenshot({ path: `test-results/pages/sign-in-link-over-${info.project.name}.png` });
  await expect(page.getByRole("alert"), "nobody has typed a password yet").not.toContainText("Check the password");
  expect(page.url()).not.toContain("sign-in");
  await page.getByRole("textbox", { name: "Password" }).fill("correct horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
});

test("a wrong password is refused in words, and the field is empty again", async ({ page }) => {
  await MadeUpServer.start(page, { ...fullWorld(), isSignedIn: false });
  await page.goto("/devices");
  await page.getByRole("textbox", { name: "Password" }).fill("guess");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("The password is wrong");
  await expect(page.getByRole("textbox", { name: "Password" })).toHaveValue("");
});

test("a session that ends shows the sign-in form and brings back the same page", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/audit");
  await expect(page.getByText("device.release")).toBeVisible();
  server.world.isSignedIn = false;
  await server.breakFeeds({ areRefused: true });
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  await page.getByRole("textbox", { name: "Password" }).fill("correct horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Audit" })).toBeVisible();
});

test("signing out forgets what was on the screen", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/settings");
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});

test("setting a password needs ten characters, typed twice", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/settings");
  const save = page.getByRole("button", { name: "Set password" });
  await page.getByRole("textbox", { name: "New password" }).fill("short");
  await expect(page.getByText("5 more characters")).toBeVisible();
  await expect(save).toBeDisabled();
  await page.getByRole("textbox", { name: "New password" }).fill("long enough now");
  await page.getByRole("textbox", { name: "Repeat it" }).fill("long enough not");
  await expect(page.getByText("The two are not the same")).toBeVisible();
  await page.getByRole("textbox", { name: "Repeat it" }).fill("long enough now");
  await save.click();
  await expect(page.getByText("The password is set.")).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ method: "PUT", body: { password: "long enough now" } });
});

test("empty lists say what will be there and lead on", async ({ page }) => {
  await MadeUpServer.start(page, emptyWorld());
  for (const [path, title] of [
    ["/sessions", "No setups yet"],
    ["/unknown-tokens", "No unknown tokens"],
    ["/notifications", "Nothing was given up"],
    ["/audit", "Nothing yet"],
    ["/bench", "An empty bench"],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole("heading", { name: title })).toBeVisible();
  }
  await page.goto("/devices");
  await page.getByRole("link", { name: "Add your first device" }).click();
  await expect(page.getByRole("heading", { name: "Add a device" })).toBeVisible();
});

test("a server that fails is explained, and a retry helps", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  let isBroken = true;
  await page.route("**/api/v1/audit*", async (route) => {
    if (!isBroken) return route.fallback();
    const json = { title: "The cursor is not valid", code: "bad_cursor", detail: "Start from the first page." };
    await route.fulfill({ status: 400, contentType: "application/problem+json", json });
  });
  await page.goto("/audit");
  await expect(page.getByRole("alert")).toContainText("The cursor is not valid");
  await expect(page.getByRole("alert")).toContainText("Start from the first page.");
  isBroken = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("device.release")).toBeVisible();
  expect(server.writes).toEqual([]);
});

test("a device that does not exist leads back to the list", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/nobody");
  await expect(page.getByRole("alert")).toContainText("There is no such device");
  await page.getByRole("main").getByRole("link", { name: "Devices" }).click();
  await expect(page.getByText("Greenhouse north")).toBeVisible();
});

test("an address that does not exist leads to the devices", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/no/such/page");
  await expect(page.getByText("There is no such page")).toBeVisible();
});

test("search finds devices by what they are and says when nothing matches", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices");
  const search = page.getByRole("searchbox", { name: "Search devices" });
  await search.fill("water meter");
  await expect(page.getByText("Meter 0001")).toBeVisible();
  await expect(page.getByText("Living room")).toHaveCount(0);
  await search.fill("zeppelin");
  await expect(page.getByText("No device matches")).toBeVisible();
});

test("values and presence change on the page as they change on the device", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await expect(page.getByTestId("pin-0")).toContainText("21.4");
  await server.emit("/api/v1/events", "value", { device_id: "dev_01", pin: 0, value: "22.9", at: ago(-1) });
  await expect(page.getByTestId("pin-0")).toContainText("22.9");
  server.world.devices[0] = { ...server.world.devices[0]!, online: false };
  await server.emit("/api/v1/events", "device", { device_id: "dev_01", change: "offline", at: ago(0) });
  await expect(page.locator(".page-head .mark").filter({ hasText: /^Offline$/ })).toBeVisible();
});

test("a page that lagged, or lost its connection, fetches everything again", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await expect(page.getByTestId("pin-1")).toContainText("48");
  server.world.pins.dev_01 = [{ pin: 1, value: "51", at: ago(0) }];
  await server.emit("/api/v1/events", "lagged", { missed_count: 7 });
  await expect(page.getByTestId("pin-1")).toContainText("51");
  server.world.pins.dev_01 = [{ pin: 1, value: "52", at: ago(0) }];
  await server.breakFeeds();
  await expect(page.getByTestId("pin-1")).toContainText("52");
});

test("a written value is sent and shown", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await page.getByRole("button", { name: "Write V1" }).click();
  await page.getByRole("textbox", { name: "New value of V1" }).fill("60");
  await page.getByRole("button", { name: "Write", exact: true }).first().click();
  await expect(page.getByTestId("pin-1")).toContainText("60");
  expect(server.writes.at(-1)).toMatchObject({ path: "/api/v1/devices/dev_01/datastreams/1", body: { value: "60" } });
});

test("a pin that has no value yet can be written", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await page.getByLabel("Pin", { exact: true }).fill("77");
  await page.getByLabel("Value", { exact: true }).fill("from the console");
  await page.getByRole("button", { name: "Write", exact: true }).click();
  await expect(page.getByTestId("pin-77")).toContainText("from the console");
  expect(server.writes.at(-1)).toMatchObject({ path: "/api/v1/devices/dev_01/datastreams/77" });
});

test("a release asks once, then says that the board is not safe to ship, and why", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await page.getByRole("button", { name: "Release this device…" }).click();
  await page.getByRole("button", { name: "Release", exact: true }).click();
  const verdict = page.getByTestId("release-verdict");
  await expect(verdict).toContainText("Not safe to ship yet,because the wipe order was sent");
  const released = {
    state: "inferred",
    requested_at: ago(1),
    finished_at: ago(0),
    safe_to_ship: true,
    last_seen_at: ago(0.5),
    attempts: 1,
    explanation: "Safe to ship: the board was told to erase itself and has been silent since.",
  } as const;
  server.world.devices[0] = { ...server.world.devices[0]!, release: { ...released }, ownership: "released" };
  await server.emit("/api/v1/events", "release", { device_id: "dev_01", release: released });
  await expect(verdict).toContainText("Safe to ship");
  await expect(verdict).toContainText("The board was told to erase itself");
});

test("a release without network shows the order and takes the receipt back", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await page.getByRole("button", { name: "Release this device…" }).click();
  await page.getByRole("button", { name: "Release", exact: true }).click();
  await page.getByRole("button", { name: "Release without network…" }).click();
  const dialog = page.getByRole("dialog", { name: "Release without network" });
  await expect(dialog.getByRole("img", { name: "Code that erases the board" })).toBeVisible();
  await expect(dialog.getByRole("list"), "the steps have numbers of their own").toHaveCSS("list-style-type", "none");
  await expect(dialog.getByTestId("copy-release-code")).toHaveText(/^rehome-release-1\./);
  const download = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Save as a file" }).click();
  expect((await download).suggestedFilename()).toBe("release-dev_01.txt");
  await dialog.getByLabel("Receipt").fill("something else");
  await dialog.getByRole("button", { name: "Check the receipt" }).click();
  await expect(dialog).toContainText("This receipt is another device's.");
  await dialog.getByLabel("Receipt").fill("rehome-receipt-1.DEV0000000001.00.11");
  await dialog.getByRole("button", { name: "Check the receipt" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByTestId("release-verdict")).toContainText("Safe to ship");
  await expect(page.getByRole("button", { name: "Release without network…" })).toHaveCount(0);
});

test("the wizard offers a claim code for our firmware and none for stock firmware", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await startSetup(page, "Rehome");
  await expect(page.getByTestId("copy-claim-code")).toHaveText("9EF5-4D64");
  await startSetup(page, "Blynk.Edgent, 1.x");
  await expect(page.getByTestId("copy-claim-code")).toHaveCount(0);
});

test("a template is locked in the settings and stays so", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/settings");
  const control = page.getByRole("radiogroup", { name: "Boards of Air Monitor that were not released" });
  await expect(control.getByRole("radio", { name: "Open" })).toBeChecked();
  await control.getByText("Locked").click();
  await expect(control.getByRole("radio", { name: "Locked" })).toBeChecked();
  expect(server.world.templates[0]?.reclaim).toBe("locked");
});

test("a forced delete says what it leaves behind and wants the name", async ({ page }, info) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_02");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("menuitem", { name: "Delete without wiping…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("listitem")).toHaveText(["The board keeps your Wi-Fi password.", "An audit line stays here."]);
  await expect(dialog).not.toContainText("repeat the request");
  await page.screenshot({ path: `test-results/pages/forced-delete-${info.project.name}.png` });
  const confirm = dialog.getByRole("button", { name: "Delete without wiping" });
  await expect(confirm).toBeDisabled();
  await dialog.getByRole("textbox").fill("Greenhouse north");
  await confirm.click();
  await expect(dialog).toContainText("The board still holds your Wi-Fi password.");
  expect(server.writes.at(-1)?.query.get("confirm")).toBe("Greenhouse north");
  await dialog.getByRole("button", { name: "Back to devices" }).click();
  await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
});

test("a renamed device has its new name at once", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_02");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("menuitem", { name: "Rename…" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Greenhouse south");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Greenhouse south" })).toBeVisible();
});

async function startSetup(page: Page, firmware: string) {
  await page.goto("/add");
  await page.getByPlaceholder("Choose").click();
  await page.getByRole("option", { name: "Air Monitor" }).click();
  await page.getByRole("radio", { name: firmware }).check();
  await page.getByRole("button", { name: "Continue" }).click();
}

test("the wizard leads a Rehome board to its page with everything filled in, and follows to the end", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await startSetup(page, "Rehome");
  const link = page.getByRole("link", { name: "open the page here" });
  await expect(link).toHaveAttribute("href", /^http:\/\/192\.168\.4\.1\/#blynk=\w{32}&host=127\.0\.0\.1&port_ssl=8443$/);
  await expect(page.getByText("Blynk Air Monitor-····")).toBeVisible();
  const session = server.world.sessions.find(({ id }) => id === "ps_new")!;
  session.state = "claimed";
  session.device_id = "dev_01";
  session.steps.push({ at: ago(0), step: "claimed", code: null, message: "Device claimed" });
  await server.emit("/api/v1/events", "session", { session_id: "ps_new", state: "claimed", device_id: "dev_01", at: ago(0) });
  await expect(page.getByText("The board is yours")).toBeVisible();
  await page.getByRole("link", { name: "Open the device" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Living room" })).toBeVisible();
});

test("the wizard gives stock firmware the values to copy", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await startSetup(page, "Blynk.Edgent, 1.x");
  await expect(page.getByTestId("copy-token")).toHaveText(/^\w{32}$/);
  await expect(page.getByTestId("copy-host")).toHaveText("127.0.0.1");
  await expect(page.getByTestId("copy-port")).toHaveText("8443");
});

test("a token for a sketch comes with the lines to paste", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await startSetup(page, "Token in a sketch");
  await expect(page.getByText(/#define BLYNK_AUTH_TOKEN\s+"\w{32}"/)).toBeVisible();
});

test("no secret is kept in the browser's storage", async ({ page }) => {
  await MadeUpServer.start(page, fullWorld());
  await startSetup(page, "Rehome");
  const token = await page.getByTestId("copy-token").textContent();
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage, cookie: document.cookie }));
  expect(token).toMatch(/^\w{32}$/);
  expect(stored).not.toContain(token);
  expect(page.url()).not.toContain(token);
});

test("an error of the board is told in words, and an expired setup can start again", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await startSetup(page, "Rehome");
  const session = server.world.sessions.find(({ id }) => id === "ps_new")!;
  session.state = "expired";
  session.steps.push({ at: ago(0), step: "reported", code: 722, message: "The board reported an error" });
  await server.emit("/api/v1/events", "session", { session_id: "ps_new", state: "expired", device_id: null, at: ago(0) });
  await expect(page.getByText("The Wi-Fi password was not accepted. Type the password again.")).toBeVisible();
  await expect(page.getByText("Time ran out before the board connected")).toBeVisible();
  await page.getByRole("button", { name: "Start again" }).click();
  await expect(page.getByRole("button", { name: "Continue" })).toBeVisible();
});

test("a server without a bench shows no bench", async ({ page }) => {
  await MadeUpServer.start(page, { ...fullWorld(), hasBench: false });
  await page.goto("/bench");
  await expect(page.getByText("No bench runs beside this server")).toBeVisible();
  await expect(page.getByRole("link", { name: "Bench" })).toHaveCount(0);
});

test("a board is carried to another place by dragging it", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench");
  const grip = page.getByTestId("board-b2").getByRole("button");
  const home = page.getByTestId("place-home");
  await dragInto(page, grip, home);
  await expect(home.getByTestId("board-b2")).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ path: "/bench/v1/boards/b2/move", body: { place: "home" } });
  expect(page.url()).not.toContain("board=");
});

test("a board is carried with a finger", { tag: "@touch" }, async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench");
  const van = page.getByTestId("van");
  await van.evaluate((element) => element.scrollIntoView({ block: "center" }));
  await fingerDragInto(page, page.getByTestId("board-b1").getByRole("button"), van);
  await expect(van.getByTestId("board-b1")).toBeVisible();
  expect(server.writes.at(-1)).toMatchObject({ path: "/bench/v1/boards/b1/move", body: { place: null } });
});

test("a board is carried with the keyboard alone", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench");
  await page.getByTestId("board-b1").getByRole("button").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Move to…" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "The van (in transit)" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("van").getByTestId("board-b1")).toBeAttached();
  expect(server.writes.at(-1)).toMatchObject({ path: "/bench/v1/boards/b1/move", body: { place: null } });
});

test("a board's panel shows its log and what is in its flash", async ({ page }, info) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench?board=b1");
  await expect(page.getByTestId("serial")).toContainText("AP SSID: Blynk Air Monitor-1W7R");
  await page.getByRole("tab", { name: "Flash" }).click();
  await expect(page.getByTestId("flash-verdict")).toContainText("Nothing of a home is left");
  await expect(page.getByRole("region", { name: "Flash image" })).toContainText("Workshop");
  server.world.secretsFound = true;
  await page.getByRole("button", { name: "Read again" }).click();
  await expect(page.getByTestId("flash-verdict")).toContainText("No home, but traces of one are left");
  await page.screenshot({ path: `test-results/pages/bench-flash-${info.project.name}.png` });
});

test("a bench board is set up on its own page", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench?board=b1");
  await page.getByRole("button", { name: "Set up this board" }).click();
  await page.getByRole("button", { name: "Start the setup" }).click();
  const portal = page.getByTestId("open-portal");
  await expect(portal).toHaveAttribute("href", /^http:\/\/127\.0\.0\.1:40123\/#blynk=\w{32}&host=127\.0\.0\.1&port_ssl=8443$/);
  await expect(page.getByTestId("copy-workshop-wifi")).toHaveText("solder-and-coffee");
  await server.emit("/bench/v1/events", "board", { ...server.world.boards[0], state: "RUNNING", hotspot: null, portal_url: null });
  await expect(page.getByText("The hotspot is closed: the board is connected.")).toBeVisible();
});

test("a board is put on the bench, with a template made on the way", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench");
  await page.getByRole("button", { name: "Board", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Add a board" });
  await dialog.getByRole("button", { name: "New template" }).click();
  await dialog.getByRole("textbox", { name: "New template" }).fill("Door Opener");
  await dialog.getByRole("button", { name: "Create template" }).click();
  await dialog.getByRole("combobox", { name: "Firmware" }).click();
  await page.getByRole("option", { name: "Blynk.Edgent 1.x", exact: true }).click();
  await dialog.getByRole("combobox", { name: "Place" }).click();
  await page.getByRole("option", { name: "Customer's home", exact: true }).click();
  await dialog.getByRole("textbox", { name: "Name", exact: true }).fill("Door 1");
  await dialog.getByRole("button", { name: "Add board" }).click();
  await expect(page.getByTestId("board-panel").getByRole("heading", { name: "Door 1" })).toBeVisible();
  const added = server.writes.find(({ path }) => path === "/bench/v1/boards");
  expect(added?.body).toMatchObject({ firmware: "edgent-old", template_name: "Door Opener", place: "home", name: "Door 1" });
});

test("a place is added with its password on a note", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench");
  await page.getByRole("button", { name: "Place", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Add a place" });
  await dialog.getByRole("textbox", { name: "Name", exact: true }).fill("Holiday flat");
  await dialog.getByRole("textbox", { name: "Wi-Fi name" }).fill("Beach");
  await dialog.getByRole("textbox", { name: "Wi-Fi password" }).fill("short");
  await expect(dialog.getByRole("button", { name: "Add place" })).toBeDisabled();
  await dialog.getByRole("textbox", { name: "Wi-Fi password" }).fill("long-enough");
  await dialog.getByRole("button", { name: "Add place" }).click();
  await expect(page.getByRole("region", { name: "Holiday flat" })).toContainText("long-enough");
  expect(server.writes.at(-1)?.body).toMatchObject({ networks: [{ ssid: "Beach", password: "long-enough" }] });
});

test("a plug is pulled and a router switched off from the picture", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/bench");
  await page.getByRole("switch", { name: "Power of Board 2" }).click({ force: true });
  await expect.poll(() => server.writes.at(-1)).toMatchObject({ path: "/bench/v1/boards/b2/power", body: { on: false } });
  await page.getByRole("switch", { name: "Router of FamilyNet at Customer's home" }).click({ force: true });
  await expect
    .poll(() => server.writes.at(-1))
    .toMatchObject({ path: "/bench/v1/places/home/networks/FamilyNet", body: { up: false } });
});

test("a datastream is added to a template and changed", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/templates/TMPL4kq9Zt2aB");
  await page.getByRole("button", { name: "Add a datastream" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Level");
  const top = async (label: string) => (await dialog.getByLabel(label).boundingBox())?.y;
  await expect
    .poll(async () => (await top("Name")) === (await top("Pin")), { message: "the name stands beside the pin" })
    .toBe(true);
  await dialog.getByLabel("Smallest").fill("0");
  await dialog.getByLabel("Largest").fill("100");
  await dialog.getByLabel("Send the last value to the device when it connects").check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toBeHidden();
  expect(server.writes.at(-1)).toMatchObject({
    method: "PUT",
    path: "/api/v1/templates/TMPL4kq9Zt2aB/datastreams/0",
    body: { name: "Level", type: "integer", min: 0, max: 100, sync_on_connect: true },
  });
  await page.getByRole("button", { name: "Edit Level" }).click();
  await dialog.getByLabel("Largest").fill("50");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("0 to 50")).toBeVisible();
});

test("a value that was not stored is told on the device's page", async ({ page }) => {
  const server = await MadeUpServer.start(page, fullWorld());
  await page.goto("/devices/dev_01");
  await expect(page.getByRole("heading", { name: "Values" })).toBeVisible();
  const rejected = { device_id: "dev_01", pin: 4, reason: "the datastream takes numbers", at: ago(0) };
  await server.emit("/api/v1/events", "rejected", rejected);
  await expect(page.getByRole("status").filter({ hasText: "V4 was not stored" })).toBeVisible();
});
