// Several nodes, and where they disagree.
import { el, fit, outdated, set, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { TreeView } from "./tree.js";
import { FinalityChart } from "./finality.js";
import { Verdict, condition } from "./condition.js";
import { modelOf } from "./marks.js";
import { number, plural, shortRoot } from "./format.js";

const FACTS = { head: "Head", justified: "Justified", finalized: "Finalized", peers: "Peers" };

export class SeveralNodes {
	constructor() {
		this.verdict = new Verdict("h1");
		this.state = el("section.state", { "aria-label": "Agreement" }, this.verdict.word, this.verdict.text);
		const { body, section } = new Panel("chain.all", "What the nodes see", "all nodes' blocks in one tree");
		const host = el("div");
		this.picked = el("p.words");
		body.append(host, this.picked);
		this.tree = new TreeView(host, { label: "Block tree of all nodes; arrow keys move between blocks", right: 130, pick: (root) => this.pick(root) });
		this.cards = el("ul.cards");
		this.root = el("div.several", this.state, this.cards, section);
	}

	draw(nodes, agreement) {
		const { heads, finalized, parted, broken } = agreement;
		this.verdict.show(this.state, judge(nodes, agreement));
		const party = (groups, node) => groups.findIndex((group) => group.nodes.includes(node));
		fit(this.cards, nodes, makeCard, (card, node) => drawCard(card, node, parted ? party(heads, node) : -1, broken && party(finalized, node) > 0));
	}

	drawTree(nodes, { heads }) {
		const first = heads[0]?.nodes[0];
		if (first) this.tree.render(modelOf(nodes, first));
	}

	pick(root) {
		const block = this.tree.model?.blocks.get(root);
		setText(this.picked, block ? this.tree.describe(block) : "");
	}
}

function makeCard() {
	const parts = { link: el("a.open"), verdict: new Verdict("p"), facts: {} };
	const list = el("dl");
	for (const [key, label] of Object.entries(FACTS)) {
		const [value, tag, root] = [el("span.value"), el("span.tag"), el("span.root.mono")];
		const row = el("div", el("dt", label), el("dd", value, tag, root));
		list.append(row);
		parts.facts[key] = { row, value, root, tag };
	}
	const chart = el("div");
	parts.lag = new FinalityChart(chart);
	const card = el("li.card", el("h2", parts.link), parts.verdict.word, parts.verdict.text, list, chart);
	return Object.assign(card, { parts });
}

/** `side`: number of its branch, or -1; `broken`: it has finalized another chain. */
function drawCard(card, node, side, broken) {
	const { chain, history, link, name, peerCount, url } = node;
	const { parts } = card;
	parts.verdict.show(card, condition(node));
	set(parts.link, { href: `#${encodeURIComponent(name)}` });
	setText(parts.link, name || url);
	fact(parts.facts.head, chain.head, side >= 0 && `branch ${"ABCDEFGH"[side] ?? side + 1}`);
	fact(parts.facts.justified, chain.justified);
	fact(parts.facts.finalized, chain.finalized, broken && "another chain");
	fact(parts.facts.peers, { slot: link === "up" ? peerCount : null });
	card.classList.toggle("stale", link === "down");
	if (outdated(card, history.at(-1)?.slot, history.length)) parts.lag.render(history);
}

function fact({ row, value, root, tag }, point, differs) {
	setText(value, number(point?.slot));
	setText(root, point?.root ? shortRoot(point.root) : "");
	set(root, { title: point?.root });
	setText(tag, differs || "");
	tag.hidden = !differs;
	row.classList.toggle("differs", Boolean(differs));
}

export function judge(nodes, { heads, parted, broken, up, since }) {
	const say = (tone, word, text) => ({ tone, word, text });
	const names = (of) => of.map((node) => node.name).join(", ");
	if (broken) return say("bad", "Finality is split", "Nodes have finalized blocks of different chains. That must never happen: keep their data.");
	if (parted) {
		const sides = heads.map(({ nodes: of, tip }) => `${names(of)} at ${number(tip.slot)} ${shortRoot(tip.root)}`).join("; ");
		return say("bad", `${number(heads.length)} heads`, `The nodes are on different branches, seen since slot ${number(since)}: ${sides}`);
	}
	const dead = nodes.filter((node) => node.link === "down");
	if (dead.length) {
		const who = dead.length > 4 ? plural(dead.length, "node") : names(dead);
		return say("bad", `${number(up)} of ${number(nodes.length)} answer`, `${who} ${dead.length > 1 ? "do" : "does"} not answer.`);
	}
	const ill = nodes.map((node) => ({ name: node.name, ...condition(node) })).filter(({ tone }) => tone !== "good");
	if (ill.length) {
		const which = ill.slice(0, 4).map(({ name, word, text }) => `${name}: ${word.toLowerCase()}, ${text}`).join("; ");
		return say(ill.some(({ tone }) => tone === "bad") ? "bad" : "warn", "One chain", which);
	}
	return say("good", `All ${number(nodes.length)} agree`, "One head, one finalized chain.");
}
