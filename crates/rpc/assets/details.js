// The block that is pointed at.
import { el, fit, set, setText } from "./dom.js";
import { number, plural, shortRoot, some, within } from "./format.js";

/** Whoever runs along the tree does not ask for each block. */
const WAIT = 120;
const KEPT = 32;

export class BlockDetails {
	constructor(host) {
		this.title = el("h3");
		this.list = el("dl");
		host.append(el("div.details", this.title, this.list));
	}

	/** Without `root`, the head. */
	show(node, root) {
		if (this.node !== node) [this.known, this.root] = [new Map(), null];
		[this.node, this.pinned] = [node, root];
		this.update();
	}

	update() {
		const { node } = this;
		if (!node) return;
		const block = node.chain.blocks.get(this.pinned) ?? node.chain.blocks.get(node.head?.root);
		if (block && block.root !== this.root) this.ask(block.root);
		const title = block?.root === this.pinned ? "Block" : "Head";
		setText(this.title, block ? `${title} in slot ${number(block.slot)}` : "No block yet");
		const rows = block ? describe(node, block, this.known.get(block.root)) : [];
		fit(this.list, rows, () => el("div", el("dt"), el("dd")), (row, [name, text, root]) => {
			setText(row.firstChild, name);
			setText(row.lastChild, root ? shortRoot(root) : text);
			set(row.lastChild, { class: root && "mono", title: root });
		});
	}

	ask(root) {
		const { known, node } = this;
		if (node.link !== "up") return;
		this.root = root;
		clearTimeout(this.timer);
		if (known.has(root)) return;
		this.timer = setTimeout(() => node.take("lean_block", [root], (block) => {
			known.set(root, block && digest(block));
			if (known.size > KEPT) known.delete(known.keys().next().value);
		}), WAIT);
	}
}

function describe(node, block, more) {
	const { chain, validators, local } = node;
	const rows = [
		["Root", "", block.root],
		["Parent", "", block.parent],
		["Proposer", `${number(block.proposer)}${local?.has(block.proposer) ? ", own" : ""}`],
		["Weight", weight(chain, block, validators)],
		["Chain", chain.isCanonical(block) ? standing(chain, block) : "on a branch"],
	];
	if (block.at) rows.push(["Arrived", arrival(node.clock, block)]);
	if (more) rows.push(["State", "", more.state], ["Carries", more.votes], ["Signatures", number(more.signatures)]);
	else if (more === null) rows.push(["Body", "not kept by the node"]);
	return rows;
}

function weight({ head, finalized }, { root, slot, weight }, validators) {
	if (weight) return `${number(weight)} of ${number(validators)}`;
	// The tree starts at the finalized block; votes for older ones are not counted.
	return slot < finalized?.slot && root !== head?.root ? "not counted any more" : "no votes counted yet";
}

function standing({ finalized, justified }, { slot }) {
	return slot <= finalized?.slot ? "finalized" : slot <= justified?.slot ? "justified" : "on the head's chain";
}

function arrival(clock, { at, origin, slot }) {
	if (origin === "sync") return "fetched later, from sync";
	return `${clock.known ? within(at - clock.start(slot)) : "–"} into the slot${origin === "own" ? ", its own" : ""}`;
}

/** A body of a thousand votes is summed up. */
function digest({ block, signatures }) {
	const groups = new Map();
	for (const { data } of block.body.attestations) groups.set(data.slot, (groups.get(data.slot) ?? 0) + 1);
	const slots = [...groups].sort((a, b) => b[0] - a[0]).map(([slot, count]) => `${plural(count, "vote")} of slot ${slot}`);
	return { state: block.state_root, signatures, votes: some(slots, 2) };
}
