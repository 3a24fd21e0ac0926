// The page against real processes. Without an address there is nothing to test, and the tests say so.
//
// QUARTET_PAGE            address of a page that shows all nodes, as a devnet prints it; or
// QUARTET_NODES           addresses of the nodes, by commas: the page is then served from the working copy
// QUARTET_PARTITION       a shell command that parts the network; QUARTET_HEAL one that joins it again
// QUARTET_KILL            id of a node's process of this devnet, which the last test ends
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { launch, SIZES } from "../browser.js";
import { servePage } from "../fake/server.js";

const { QUARTET_PAGE, QUARTET_NODES, QUARTET_PARTITION, QUARTET_HEAL, QUARTET_KILL } = process.env;
const skip = !QUARTET_PAGE && !QUARTET_NODES && "QUARTET_PAGE or QUARTET_NODES would name real nodes";
let browser, page, server;

before(async () => {
  if (skip) return;
  let address = QUARTET_PAGE;
  if (!address) {
    server = await servePage(() => QUARTET_NODES.split(",").map((url, i) => ({ name: `quartet_${i}`, url })));
    address = server.url;
  }
  browser = await launch();
  page = await browser.newPage({ viewport: SIZES.wall });
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  await page.goto(address);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const says = (pattern, timeout) => page.waitForFunction((p) => new RegExp(p).test(document.querySelector("h1.word")?.textContent), pattern, { timeout });

// The first number of the first node, whether one is shown or several.
const HEAD = ".card .value, .facts .head .value";

test("real nodes agree and go on", { skip }, async () => {
  await says("^(All \\d+ agree|Healthy)$", 60_000);
  const head = () => page.locator(HEAD).first().textContent();
  const first = Number((await head()).replace(/\D/g, ""));
  await page.waitForFunction((was) => Number(document.querySelector(".card .value, .facts .head .value").textContent.replace(/\D/g, "")) > was, first, { timeout: 20_000 });
  assert.ok((await page.locator(".block[data-root]").count()) > 0);
  assert.deepEqual(page.problems, []);
});

test("a real node in full: votes, peers, duties, validators", { skip }, async () => {
  if (await page.locator(".card").count()) await page.locator(".card").first().click();
  await says("^Healthy$", 30_000);
  await page.waitForFunction(() => document.querySelectorAll(".duties tbody tr").length > 0, null, { timeout: 20_000 });
  await page.waitForFunction(() => /^[1-9]\d*\/\d+$/.test(document.querySelector(".waterfall tbody tr:nth-child(2) td:nth-child(5)").textContent));
  await page.locator(".validators").scrollIntoViewIfNeeded();
  await page.waitForFunction(() => document.querySelectorAll(".validators tbody tr").length > 0);
  assert.deepEqual(page.problems, []);
  await page.keyboard.press("Escape");
});

test("a partition of real nodes shows two heads", { skip: skip || (!QUARTET_PARTITION && "QUARTET_PARTITION would part them") }, async () => {
  execFileSync("sh", ["-c", QUARTET_PARTITION], { stdio: "inherit" });
  await says("^2 heads$", 90_000);
  if (!QUARTET_HEAL) return;
  execFileSync("sh", ["-c", QUARTET_HEAL], { stdio: "inherit" });
  await says("^(All \\d+ agree|One chain)$", 120_000);
});

test("a real node that is killed turns red within two seconds", { skip: skip || (!QUARTET_KILL && "QUARTET_KILL would name a process") }, async () => {
  process.kill(Number(QUARTET_KILL), "SIGKILL");
  await page.waitForFunction(() => document.querySelector('.card[data-tone="bad"], .state[data-tone="bad"]'), null, { timeout: 2_000 });
});
