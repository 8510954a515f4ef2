import { expect, test, type APIRequestContext } from "@playwright/test";

import { RehomeServer } from "./rehomeServer";

const program = process.env.REHOME_BIN;
const MINUTE_MS = 60_000;

/** A device with a day of history, made through the API of a real server. */
async function makeDevice(request: APIRequestContext, origin: string): Promise<{ id: string; token: string }> {
  const headers = { Origin: origin };
  const post = async (path: string, data: object) => {
    const answer = await request.post(`${origin}${path}`, { data, headers });
    expect(answer.status(), await answer.text()).toBe(201);
    return (await answer.json()) as { id: string; token: string };
  };
  const template = await post("/api/v1/templates", { name: "Air Monitor" });
  for (const [pin, data] of [
    [1, { name: "Temperature", type: "double", unit: "°C", save_raw_data: true }],
    [2, { name: "Pump", type: "boolean" }],
  ] as const) {
    const path = `${origin}/api/v1/templates/${template.id}/datastreams/${pin}`;
    expect((await request.put(path, { data, headers })).status()).toBe(201);
  }
  return post("/api/v1/devices", { template_id: template.id, name: "Cellar" });
}

function dayOfHistory(): string {
  const lines = ["time,pin,value"];
  const now_ms = Date.now();
  for (let ago = 24 * 60 - 5; ago > 0; ago -= 2) {
    const at = new Date(now_ms - ago * MINUTE_MS).toISOString();
    lines.push(`${at},V1,${(18 + 4 * Math.sin(ago / 150)).toFixed(2)}`);
    if (ago % 60 === 1) lines.push(`${at},V2,${ago % 240 > 120 ? "true" : "false"}`);
  }
  return `${lines.join("\n")}\n`;
}

test.describe("the data of a device on a real server", () => {
  test.skip(!program && !process.env.CI, "REHOME_BIN names no program to start");
  test.setTimeout(90_000);

  let server: RehomeServer;

  test.beforeAll(async () => {
    if (!program) throw new Error("REHOME_BIN names no program to start");
    server = await RehomeServer.start(program);
  });

  test.afterAll(async () => {
    await server?.stop();
  });

  test("is imported, drawn, downloaded, described and erased", async ({ page }, info) => {
    await page.goto(server.signInLink);
    await expect(page.getByRole("heading", { level: 1, name: "Devices" })).toBeVisible();
    const { origin } = new URL(page.url());
    const { id, token } = await makeDevice(page.request, origin);
    const upfile = { name: "photo.jpg", mimeType: "image/jpeg", buffer: Buffer.from("a picture") };
    const sent = await page.request.post(`${origin}/external/api/upload?token=${token}`, { multipart: { upfile } });
    expect(sent.status()).toBe(200);
    await page.goto(`${origin}/devices/${id}`);

    await test.step("a file with a mistake is refused whole, and a good one is imported", async () => {
      await page.getByRole("button", { name: "History", exact: true }).click();
      await page.getByRole("menuitem", { name: "Import a CSV file…" }).click();
      const dialog = page.getByRole("dialog", { name: "Import history" });
      const choose = (text: string) =>
        dialog.getByLabel("CSV file").setInputFiles({ name: "day.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
      const history = dayOfHistory();
      const lineCount = history.trimEnd().split("\n").length;
      await choose(`${history}${new Date().toISOString()},V1,warm\n`);
      await dialog.getByRole("button", { name: "Import" }).click();
      await expect(dialog.getByRole("alert")).toContainText(`line ${lineCount + 1}: the datastream takes numbers`);
      await choose(history);
      await dialog.getByRole("button", { name: "Import" }).click();
      await expect(dialog.getByRole("status")).toHaveText(`${lineCount - 1} values are stored.`);
      await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
    });

    await test.step("the chart, the table and the download show it", async () => {
      await page.getByRole("button", { name: "History of V1" }).click();
      await expect(page.getByRole("img", { name: /^Temperature \(V1\) over the last day: lowest 14 °C, highest 22 °C/ })).toBeVisible();
      await page.screenshot({ path: `test-results/pages/real-data-${info.project.name}.png`, fullPage: true });
      await page.getByText("Table", { exact: true }).click();
      await expect(page.getByRole("row").nth(100)).toBeVisible();
      const downloading = page.waitForEvent("download");
      await page.getByRole("link", { name: "CSV" }).click();
      const csv = await readAll(await (await downloading).createReadStream());
      expect(csv.split("\n")[0]).toBe("time,pin,name,value");
      expect(csv.split("\n").filter((line) => line.includes(",V1,Temperature,")).length).toBeGreaterThan(700);
    });

    await test.step("properties and metadata are set", async () => {
      await page.getByText("Properties", { exact: true }).click();
      await page.getByRole("combobox", { name: "Property" }).fill("color");
      await page.getByLabel("Property value").fill("#D3435C");
      await page.getByRole("button", { name: "Set", exact: true }).click();
      await expect(page.getByRole("list", { name: "Properties of V1" })).toContainText("#D3435C");
      const metadata = page.getByRole("region", { name: "Metadata" });
      await metadata.getByRole("button", { name: "Change Device Timezone" }).click();
      await metadata.getByRole("combobox", { name: "Device Timezone" }).fill("Europe/Atlantis");
      await metadata.getByRole("button", { name: "Save" }).click();
      await expect(metadata.getByRole("alert")).toContainText("the value does not fit the field");
      await metadata.getByRole("combobox", { name: "Device Timezone" }).fill("Europe/Berl");
      await page.getByRole("option", { name: "Europe/Berlin" }).click();
      await metadata.getByRole("button", { name: "Save" }).click();
      await expect(metadata.getByText("Europe/Berlin", { exact: true })).toBeVisible();
    });

    await test.step("history and files are erased after a question", async () => {
      await page.getByRole("button", { name: "Erase…" }).click();
      await page.getByRole("button", { name: "Erase everything" }).click();
      await expect(page.getByText("Nothing was written in the last day.")).toBeVisible();
      const files = page.getByRole("region", { name: "Files" });
      await files.getByRole("button", { name: "Delete photo.jpg" }).click();
      await page.getByRole("button", { name: "Delete the file" }).click();
      await expect(files).toContainText("The device has sent no files.");
    });
  });
});

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk.toString();
  return text;
}
