import { expect, type Locator, type Page } from "@playwright/test";

/** Pixels from the window's edge where a held board makes the page scroll. */
const EDGE_PX = 30;

/** Drags with the mouse; a target outside the window is reached by holding the board at the window's edge. */
export async function dragInto(page: Page, grip: Locator, target: Locator) {
  await grip.scrollIntoViewIfNeeded();
  const from = await boxOf(grip);
  await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2);
  await page.mouse.down();
  const windowHeight = await page.evaluate(() => window.innerHeight);
  if ((await boxOf(target)).y + EDGE_PX > windowHeight) {
    await page.mouse.move(from.x + from.width / 2, windowHeight - EDGE_PX, { steps: 8 });
    await expect(target).toBeInViewport({ ratio: 0.5 });
  }
  // Back from the edge first, so that the page stands still when the target is measured.
  await page.mouse.move(from.x + from.width / 2, windowHeight / 2, { steps: 4 });
  const to = await boxOf(target);
  const middle = Math.min(to.y + to.height, windowHeight) / 2 + Math.max(to.y, 0) / 2;
  await page.mouse.move(to.x + to.width / 2, middle, { steps: 8 });
  await expect(target).toHaveClass(/target/);
  await page.mouse.up();
}

async function boxOf(locator: Locator) {
  const box = await locator.boundingBox();
  if (!box) throw new Error("the picture is not drawn");
  return box;
}

/** Drags with a finger. The target has to be inside the window. */
export async function fingerDragInto(page: Page, grip: Locator, target: Locator) {
  const from = await boxOf(grip);
  const to = await boxOf(target);
  const touch = await page.context().newCDPSession(page);
  const start = { x: from.x + from.width / 2, y: from.y + from.height / 2 };
  const end = { x: to.x + to.width / 2, y: to.y + to.height / 2 };
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [start] });
  for (const part of [0.1, 0.4, 0.7, 1]) {
    const point = { x: start.x + (end.x - start.x) * part, y: start.y + (end.y - start.y) * part };
    await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [point] });
  }
  await expect(target).toHaveClass(/target/);
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
}
