// The page: its nodes, which of them is shown, and one drawing per frame.
import { $, el, setAttribute, setText } from "./dom.js";
import { NodeModel } from "./store.js";
import { OneNode } from "./one.js";
import { SeveralNodes, judge } from "./several.js";
import { Agreement } from "./agree.js";
import { Theme } from "./theme.js";
import { condition } from "./condition.js";
import { number } from "./format.js";

/** What moves by itself is drawn this often; the rest when something has come. */
const TICK = 100;
const MOST_NODES = 64;

const nodes = [];
const agreement = new Agreement();
const one = new OneNode();
const several = new SeveralNodes();
const dirty = new Map(); // node → parts that have changed
let shown = null;
let lastSlot = null;
let lastTick = 0;
let said = new Map();

function changed(node, part) {
  if (!dirty.has(node)) dirty.set(node, new Set());
  dirty.get(node).add(part);
  // What is to be said is said whether or not the page is drawn.
  if (part === "status") announce();
}

async function load() {
  let list = [];
  try {
    const answer = await fetch("nodes.json", { cache: "no-store" });
    if (answer.ok) list = await answer.json();
  } catch {
    list = [];
  }
  if (!Array.isArray(list) || !list.length) list = [{ name: "", url: "/" }];
  for (const entry of list.slice(0, MOST_NODES)) {
    try {
      nodes.push(new NodeModel(entry, changed));
    } catch {
      setText($("say"), `The address of ${entry?.name} is not one.`);
    }
  }
  tabs();
  route();
  requestAnimationFrame(frame);
}

function tabs() {
  const nav = $("nodes");
  if (nodes.length < 2) {
    nav.hidden = true;
    return;
  }
  const link = (href, text) => el("a", { href }, el("i", { "aria-hidden": "true" }), text);
  nav.append(link("#", "All nodes"), ...nodes.map((node) => link(`#${encodeURIComponent(node.name)}`, node.name)));
}

/** Which node is shown is in the address, so that it can be kept and sent. */
function route() {
  let name = "";
  try {
    name = decodeURIComponent(location.hash.slice(1));
  } catch {
    name = "";
  }
  const node = nodes.length === 1 ? nodes[0] : nodes.find((one) => one.name === name);
  if (node === shown && $("main").children.length) return;
  shown = node ?? null;
  const view = shown ? one.root : several.root;
  $("main").replaceChildren(view);
  if (shown) one.show(shown);
  else one.leave();
  for (const other of nodes) changed(other, "chain");
  lastSlot = null;
  lastTick = 0;
  [...$("nodes").children].forEach((link, i) => {
    const current = (i ? nodes[i - 1] : null) === shown;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
}

function frame(time) {
  const first = shown ?? nodes.find((node) => node.link === "up" && node.clock.known) ?? nodes[0];
  if (shown) {
    const parts = dirty.get(shown);
    if (parts) one.draw(parts);
  } else if (dirty.size) {
    several.draw(nodes, agreement.look(nodes));
    if ([...dirty.values()].some((parts) => parts.has("chain") || parts.has("status") || parts.has("info"))) several.drawTree(nodes);
  }
  dirty.clear();
  if (time - lastTick >= TICK) {
    lastTick = time;
    tick(first);
  }
  requestAnimationFrame(frame);
}

function tick(first) {
  const slot = first?.clock.known ? first.clock.slot() : null;
  const slotChanged = slot !== lastSlot;
  lastSlot = slot;
  if (shown) {
    one.tick(slotChanged);
  } else {
    several.draw(nodes, agreement.look(nodes));
    if (slotChanged) several.drawTree(nodes);
    several.tick(nodes);
  }
  beats(first, slot);
  [...$("nodes").children].forEach((link, i) => i && setAttribute(link, "data-tone", condition(nodes[i - 1]).tone));
  if (slotChanged) announce();
  const now = shown ? condition(shown) : judge(nodes, agreement.look(nodes));
  const title = `${now.word} · ${shown?.name || (nodes.length > 1 ? "Quartet devnet" : "Quartet")}`;
  if (document.title !== title) document.title = title;
}

/** The brand's four beats are the slot's four ticks. */
function beats(first, slot) {
  const now = slot === null || slot < 0 || first.link !== "up" ? -1 : Math.floor(first.clock.part() * 4);
  [...$("beats").children].forEach((beat, i) => beat.classList.toggle("on", i <= now));
  setText($("clock"), slot === null ? "" : slot < 0 ? "before genesis" : `slot ${number(slot)}`);
}

/** Tells a screen reader when a node's condition changes, or nodes part; not every slot. */
function announce() {
  const news = [];
  for (const node of nodes) {
    const { key, word, text } = condition(node);
    if (said.has(node) && said.get(node) !== key) news.push(`${node.name || "The node"}: ${word}, ${text}`);
    said.set(node, key);
  }
  if (nodes.length > 1) {
    const { word, text } = judge(nodes, agreement.look(nodes));
    if (said.has("all") && said.get("all") !== word) news.push(`${word}. ${text}`);
    said.set("all", word);
  }
  if (news.length) setText($("say"), news.join(". "));
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "d") theme.toggle();
  else if (event.key === "Escape" && nodes.length > 1) location.hash = "";
  else if (/^[0-9]$/.test(event.key) && nodes.length > 1) {
    const node = nodes[Number(event.key) - 1];
    location.hash = node ? encodeURIComponent(node.name) : "";
  }
}

const theme = new Theme($("theme"), (name) => {
  one.repaint(name);
  for (const node of nodes) changed(node, "chain");
});
window.addEventListener("hashchange", route);
window.addEventListener("resize", () => {
  if (shown) one.repaint(theme.name);
  for (const node of nodes) changed(node, "chain");
});
document.addEventListener("keydown", keys);
load();
