import { expect, test, type Locator, type Page } from "@playwright/test";

import { dragInto } from "./dragInto";
import { RehomeServer } from "./rehomeServer";

const program = process.env.REHOME_BIN;

/** The founding story, clicked through against a real server with its virtual bench. */
test.describe("the founding story", () => {
  test.skip(!program && !process.env.CI, "REHOME_BIN names no program to start");
  // A release waits 20 s for silence, and a board may take 90 s over a trial.
  test.setTimeout(300_000);

  let server: RehomeServer;

  test.beforeAll(async () => {
    if (!program) throw new Error("REHOME_BIN names no program to start");
    server = await RehomeServer.start(program);
  });

  test.afterAll(async () => {
    await server?.stop();
  });

  test("boards are set up in a workshop, released, carried to a customer and set up again", async ({ page }, info) => {
    const story = new Story(page, info.project.name);
    await page.goto(server.signInLink);
    await expect(page.getByRole("heading", { level: 1, name: "Devices" })).toBeVisible();
    expect(page.url()).not.toContain("sign-in");
    await page.goto(new URL("/bench", page.url()).href);

    await story.addPlace("Story workshop", "Story-Workshop", "workshop-pass-1");
    await story.addPlace("Story home", "Story-Home", "home-pass-22");

    for (const [firmware, name] of [
      ["Rehome", "Story Rehome"],
      ["Blynk.Edgent 1.x", "Story Edgent"],
    ] as const) {
      await test.step(name, async () => {
        await story.addBoard(name, firmware, "Story workshop");
        await story.setUp(name, firmware, "Story-Workshop", "workshop-pass-1", "workshop");
        await story.seeOnlineWithValues(name);
        await story.release(name, firmware);
        await story.flashHoldsNoHome(name);
        await story.carry(name, "Story home");
        await story.plugIn(name);
        await story.setUp(name, firmware, "Story-Home", "home-pass-22", "home");
        await story.seeOnlineWithValues(name);
      });
    }
  });
});

class Story {
  private shotCount = 0;

  constructor(
    private readonly page: Page,
    private readonly project: string,
  ) {}

  async addPlace(name: string, ssid: string, password: string) {
    const { page } = this;
    await page.getByRole("button", { name: /^(Place|Add a place)$/ }).first().click();
    const dialog = page.getByRole("dialog", { name: "Add a place" });
    await dialog.getByRole("textbox", { name: "Name", exact: true }).fill(name);
    await dialog.getByRole("textbox", { name: "Wi-Fi name" }).fill(ssid);
    await dialog.getByRole("textbox", { name: "Wi-Fi password" }).fill(password);
    await dialog.getByRole("button", { name: "Add place" }).click();
    await expect(page.getByRole("region", { name })).toBeVisible();
  }

  async addBoard(name: string, firmware: string, place: string) {
    const { page } = this;
    await page.goto(new URL("/bench", page.url()).href);
    await page.getByRole("button", { name: "Board", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Add a board" });
    await this.chooseTemplate(dialog, "Air Monitor");
    await this.choose(dialog.getByRole("combobox", { name: "Firmware" }), firmware);
    await this.choose(dialog.getByRole("combobox", { name: "Place" }), place);
    await dialog.getByRole("textbox", { name: "Name", exact: true }).fill(name);
    await dialog.getByRole("button", { name: "Add board" }).click();
    await expect(page.getByTestId("board-panel").getByRole("heading", { name })).toBeVisible();
    await this.shot("board-added");
  }

  /** Plays the owner: a setup in the console, the board's own page in a second tab. */
  async setUp(name: string, firmware: string, ssid: string, password: string, where: string) {
    const { page } = this;
    await this.openPanel(name);
    await page.getByTestId("board-panel").getByRole("button", { name: "Set up this board" }).click();
    const dialog = page.getByTestId("setup-dialog");
    await dialog.getByRole("button", { name: "Start the setup" }).click();
    const link = dialog.getByTestId("open-portal");
    await expect(link).toBeVisible({ timeout: 60_000 });
    const values = {
      token: (await dialog.getByTestId("copy-token").textContent()) ?? "",
      host: (await dialog.getByTestId("copy-host").textContent()) ?? "",
      port: (await dialog.getByTestId("copy-port").textContent()) ?? "",
    };
    await this.shot(`setup-${where}`);
    const [portal] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
    if (firmware === "Rehome") await fillRehomePortal(portal, ssid, password);
    else await fillEdgentPortal(portal, ssid, password, values);
    await portal.screenshot({ path: this.shotPath(`portal-${where}`) });
    await expect(dialog.getByText("The board is yours")).toBeVisible({ timeout: 120_000 });
    await portal.close();
    await this.shot(`set-up-${where}`);
    await dialog.getByRole("link", { name: "Open the device" }).click();
  }

  /** From the device's page, where `setUp` ends. */
  async seeOnlineWithValues(name: string) {
    const { page } = this;
    await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
    await expect(page.locator(".page-head .mark").filter({ hasText: /^Online$/ })).toBeVisible({ timeout: 60_000 });
    const pins = page.locator("[data-testid^=pin-]");
    await expect(pins.first()).toBeVisible({ timeout: 60_000 });
    await page.getByLabel("Pin", { exact: true }).fill("77");
    await page.getByLabel("Value", { exact: true }).fill("from the console");
    await page.getByRole("button", { name: "Write", exact: true }).click();
    await expect(page.getByTestId("pin-77")).toContainText("from the console");
    await this.shot("online");
  }

  /** Our firmware proves its wipe at once; a stock board's is inferred from 20 s of silence. */
  async release(name: string, firmware: string) {
    const { page } = this;
    await page.getByRole("button", { name: "Release this device…" }).click();
    await page.getByRole("button", { name: "Release", exact: true }).click();
    const verdict = page.getByTestId("release-verdict");
    if (firmware === "Rehome") {
      await expect(verdict).toContainText("proved it with a signed receipt", { timeout: 30_000 });
    } else {
      await expect(verdict).toContainText("Not safe to ship yet");
      await this.shot("not-safe-yet");
    }
    await expect(verdict).toContainText(/^Safe to ship/, { timeout: 90_000 });
    await this.shot("safe-to-ship");
    await page.goto(new URL("/bench", page.url()).href);
    await expect(this.tile(name)).toBeVisible();
  }

  async flashHoldsNoHome(name: string) {
    const { page } = this;
    await this.openPanel(name);
    await page.getByRole("tab", { name: "Flash" }).click();
    await expect(page.getByTestId("flash-verdict")).toContainText("Nothing of a home is left");
    await this.shot("flash");
    await page.getByRole("button", { name: "Close the panel" }).click();
    // On a phone the panel covers the picture until it has slid away.
    await expect(page.getByTestId("board-panel")).toBeHidden();
  }

  /** Pulls the plug and drags the board: with the mouse on a desktop, by the menu on a phone. */
  async carry(name: string, place: string) {
    const { page } = this;
    await this.power(name).press("Space");
    await expect(this.tile(name)).toHaveAttribute("data-state", "OFF");
    const target = page.getByRole("region", { name: place });
    if (this.project === "phone") {
      await this.openPanel(name);
      await page.getByRole("button", { name: "Move to…" }).click();
      await page.getByRole("menuitem", { name: place }).click();
      await page.getByRole("button", { name: "Close the panel" }).click();
      await expect(page.getByTestId("board-panel")).toBeHidden();
    } else {
      await dragInto(page, this.tile(name).getByRole("button"), target);
    }
    await expect(target.getByRole("button", { name: new RegExp(`^${name}`) })).toBeVisible();
    await this.shot("carried");
  }

  async plugIn(name: string) {
    await this.power(name).press("Space");
    await expect(this.tile(name)).not.toHaveAttribute("data-state", "OFF");
  }

  /** The plug in the picture. Its input is hidden behind the drawn switch, so it is worked by keyboard. */
  private power(name: string): Locator {
    return this.page.getByRole("switch", { name: `Power of ${name}` });
  }

  private tile(name: string): Locator {
    return this.page.locator("[data-testid^=board-][data-state]").filter({ hasText: name });
  }

  private async openPanel(name: string) {
    const panel = this.page.getByTestId("board-panel").getByRole("heading", { name });
    if (await panel.isVisible()) return;
    await this.tile(name).getByRole("button").click();
    await expect(panel).toBeVisible();
  }

  private async chooseTemplate(dialog: Locator, name: string) {
    const picker = dialog.getByRole("combobox", { name: "Template" });
    const newName = dialog.getByRole("textbox", { name: "New template" });
    await expect(picker.or(newName)).toBeVisible();
    if (await picker.isVisible()) {
      await picker.click();
      const option = this.page.getByRole("option", { name, exact: true });
      if (await option.isVisible()) return option.click();
      await this.page.keyboard.press("Escape");
      await dialog.getByRole("button", { name: "New template" }).click();
    }
    await newName.fill(name);
    await dialog.getByRole("button", { name: "Create template" }).click();
    await expect(picker).toBeVisible();
  }

  private async choose(select: Locator, option: string) {
    await select.click();
    await this.page.getByRole("option", { name: option, exact: true }).click();
  }

  private async shot(name: string) {
    await this.page.screenshot({ path: this.shotPath(name) });
  }

  private shotPath(name: string): string {
    this.shotCount += 1;
    return `test-results/story/${this.project}-${String(this.shotCount).padStart(2, "0")}-${name}.png`;
  }
}

async function fillRehomePortal(portal: Page, ssid: string, password: string) {
  await portal.getByRole("radio", { name: new RegExp(ssid) }).check({ timeout: 30_000 });
  await portal.getByRole("textbox", { name: "Password" }).fill(password);
  await expect(portal.getByRole("textbox", { name: "Device token or claim code" })).toHaveValue(/^\S{32}$/);
  await portal.getByRole("button", { name: "Connect" }).click();
}

type Values = { token: string; host: string; port: string };

async function fillEdgentPortal(portal: Page, ssid: string, password: string, values: Values) {
  await portal.getByLabel("Network").fill(ssid);
  await portal.getByLabel("Password").fill(password);
  await portal.getByLabel("Token").fill(values.token);
  await portal.getByLabel("Server").fill(values.host);
  await portal.getByLabel("Port").fill(values.port);
  await portal.getByRole("button", { name: "Apply" }).click();
}
