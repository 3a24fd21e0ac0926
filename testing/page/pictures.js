// Pictures of the page in three sizes, dark and light, to be looked at: `npm run pictures -- DIR`.
import { mkdir } from "node:fs/promises";
import { launch, SIZES } from "./browser.js";
import { Network } from "./fake/network.js";

const directory = process.argv[2] ?? "/tmp/quartet-page";
const only = process.argv[3];
const scenes = {
  healthy: { validators: 64, lateVotes: 0.03 },
  four: { validators: 4, lateBlocks: 0.1, emptySlots: 0.05, seed: 3 },
  thousand: { validators: 1024, lateVotes: 0.01, past: 14 },
  forked: { validators: 64, lateBlocks: 0.3, emptySlots: 0.05, seed: 5, lateVotes: 0.04 },
};

async function shoot(browser, name, url, { sizes = Object.keys(SIZES), themes = ["dark", "light"], wait = 900, act } = {}) {
  for (const size of sizes) {
    for (const colorScheme of themes) {
      const page = await browser.newPage({ viewport: SIZES[size], colorScheme });
      page.on("pageerror", (error) => console.log(name, "error:", error.message));
      page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log(name, message.text()));
      await page.goto(url);
      await page.waitForTimeout(wait);
      await act?.(page);
      await page.screenshot({ path: `${directory}/${name}-${size}-${colorScheme}.png`, fullPage: size === "phone" });
      await page.close();
    }
  }
}

await mkdir(directory, { recursive: true });
const browser = await launch();
for (const [name, options] of Object.entries(scenes)) {
  if (only && only !== name) continue;
  const network = await new Network({ slotMs: 4000, ...options }).start();
  await shoot(browser, name, network.nodes[0].server.url, { wait: 2600 });
  await network.stop();
}
if (!only || only === "several") {
  const network = await new Network({ slotMs: 1000, validators: 64 }).start();
  await shoot(browser, "several", network.url, {});
  network.partition([[0, 1], [2, 3]]);
  await new Promise((resolve) => setTimeout(resolve, 5200));
  await shoot(browser, "parted", network.url, {});
  network.heal();
  network.kill(3);
  await shoot(browser, "killed", network.url, { sizes: ["wall"], wait: 2000 });
  const dying = async (page) => {
    network.kill(0);
    await page.waitForTimeout(1200);
  };
  await shoot(browser, "dead", network.nodes[0].server.url, { sizes: ["wall"], themes: ["dark"], wait: 1500, act: dying });
  await network.stop();
}
if (!only || only === "syncing") {
  const network = await new Network({ slotMs: 4000, validators: 64 }).start();
  const node = network.nodes[0];
  node.setCondition("syncing", { target_slot: 41000, head_slot: 30000, distance: 11000, slots_per_second: 320, seconds_left: 34 });
  await shoot(browser, "syncing", node.server.url, { sizes: ["wall", "phone"] });
  node.setCondition("cut_off");
  await shoot(browser, "cut-off", node.server.url, { sizes: ["desk"] });
  await network.stop();
}
await browser.close();
