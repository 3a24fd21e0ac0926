// The page: its nodes, which of them is shown, and one drawing per frame.
import { $, el, set, setText } from "./dom.js";
import { NodeModel } from "./store.js";
import { OneNode } from "./one.js";
import { SeveralNodes, judge } from "./several.js";
import { Agreement } from "./agree.js";
import { Theme } from "./theme.js";
import { condition } from "./condition.js";
import { number } from "./format.js";

const TICK = 100;
const MOST_NODES = 64;

const nodes = [];
const agreement = new Agreement();
const one = new OneNode();
const several = new SeveralNodes();
const dirty = new Set(); // nodes
const said = new Map();
let shown, lastSlot;

async function load() {
	let list;
	try {
		list = await (await fetch("nodes.json", { cache: "no-store" })).json();
	} catch {
		// The node that serves the page is shown.
	}
	if (!Array.isArray(list) || !list.length) list = [{ name: "", url: "/" }];
	for (const entry of list.slice(0, MOST_NODES)) {
		try {
			nodes.push(new NodeModel(entry, changed));
		} catch {
			setText($("say"), `The address of ${entry?.name} is not one.`);
		}
	}
	const link = (name, text) => el("a", { href: `#${encodeURIComponent(name)}` }, el("i", { "aria-hidden": "true" }), text);
	$("nodes").hidden = nodes.length < 2;
	$("nodes").append(link("", "All nodes"), ...nodes.map(({ name }) => link(name, name)));
	route();
	setInterval(tick, TICK);
}

function changed(node) {
	if (!dirty.size) requestAnimationFrame(frame);
	dirty.add(node);
}

/** Which node is shown is in the address, to be kept and sent. */
function route() {
	shown = nodes.length === 1 ? nodes[0] : nodes.find(({ name }) => `#${encodeURIComponent(name)}` === location.hash);
	$("main").replaceChildren(shown ? one.root : several.root);
	if (shown) one.show(shown);
	else one.leave();
	[...$("nodes").children].forEach((link, i) => set(link, { "aria-current": nodes[i - 1] === shown && "page" }));
	drawAll();
}

function drawAll() {
	lastSlot = undefined;
	tick();
}

function frame() {
	if (shown) {
		if (dirty.has(shown)) one.draw();
	} else {
		const agreed = agreement.look(nodes);
		several.draw(nodes, agreed);
		several.drawTree(nodes, agreed);
	}
	dirty.clear();
}

function tick() {
	const first = shown ?? nodes.find((node) => node.link === "up" && node.clock.known) ?? nodes[0];
	const slot = first?.clock.known ? first.clock.slot() : null;
	const slotChanged = slot !== lastSlot;
	lastSlot = slot;
	const agreed = agreement.look(nodes);
	if (shown) {
		one.tick(slotChanged);
	} else {
		several.draw(nodes, agreed);
		if (first) several.tree.tick(first.clock.part());
		if (slotChanged) several.drawTree(nodes, agreed);
	}
	beats(first, slot);
	[...$("nodes").children].forEach((link, i) => i && set(link, { "data-tone": condition(nodes[i - 1]).tone }));
	const { word } = shown ? condition(shown) : judge(nodes, agreed);
	setText($("title"), `${word} · ${shown?.name || (nodes.length > 1 ? "Quartet devnet" : "Quartet")}`);
	announce(agreed);
}

/** Four beats: the slot's four ticks. */
function beats(first, slot) {
	const now = slot === null || slot < 0 || first.link !== "up" ? -1 : Math.floor(first.clock.part() * 4);
	[...$("beats").children].forEach((beat, i) => beat.classList.toggle("on", i <= now));
	setText($("clock"), slot === null ? "" : slot < 0 ? "before genesis" : `slot ${number(slot)}`);
}

/** For screen readers: news, not every slot. */
function announce(agreed) {
	const news = [];
	const tell = (who, { word, text }, name) => {
		if (said.has(who) && said.get(who) !== word) news.push(`${name}${word}, ${text}`);
		said.set(who, word);
	};
	for (const node of nodes) tell(node, condition(node), `${node.name || "The node"}: `);
	if (nodes.length > 1) tell("all", judge(nodes, agreed), "");
	if (news.length) setText($("say"), news.join(". "));
}

document.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
	if (ctrlKey || metaKey || altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
	if (key === "d") theme.toggle();
	else if (nodes.length > 1 && /^([0-9]|Escape)$/.test(key)) location.hash = encodeURIComponent(nodes[Number(key) - 1]?.name ?? "");
});
const theme = new Theme($("theme"), drawAll);
window.addEventListener("hashchange", route);
window.addEventListener("resize", drawAll);
load();
