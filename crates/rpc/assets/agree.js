// Whether nodes see the same chain: heads may be far apart on it, but not on two branches.
import { ancestor } from "./chain.js";
import { groupBy } from "./marks.js";

/** Shorter than this, different heads are messages on their way. */
const PATIENCE_SLOTS = 1;
const OLD_SLOTS = 2;

/** What is not known is no conflict. */
function conflict(blocks, a, b) {
	if (a.root === b.root) return false;
	const [older, newer] = a.slot <= b.slot ? [a, b] : [b, a];
	const at = older.slot < newer.slot ? ancestor(blocks, newer.root, older.slot) : newer;
	return Boolean(at) && at.root !== older.root;
}

/** Groups of nodes whose points are on one chain, the largest first. */
function parties(blocks, nodes, point) {
	const groups = [];
	const same = [...groupBy(nodes.filter(point), (node) => point(node).root).values()];
	for (const party of same.sort(([a], [b]) => point(b).slot - point(a).slot)) {
		const tip = point(party[0]);
		const group = groups.find((group) => !conflict(blocks, group.tip, tip));
		if (group) group.nodes.push(...party);
		else groups.push({ tip, nodes: party });
	}
	return groups.sort((a, b) => b.nodes.length - a.nodes.length || b.tip.slot - a.tip.slot);
}

function isOld(blocks, a, b) {
	const slot = Math.min(a.slot, b.slot) - OLD_SLOTS;
	const [left, right] = [ancestor(blocks, a.root, slot), ancestor(blocks, b.root, slot)];
	return Boolean(left && right) && left.root !== right.root;
}

export class Agreement {
	since = null;

	/** `heads`, `finalized`: groups that agree. */
	look(nodes) {
		const up = nodes.filter((node) => node.link === "up");
		const blocks = { get: (root) => up.find((node) => node.chain.blocks.has(root))?.chain.blocks.get(root) };
		const heads = parties(blocks, up, (node) => node.head);
		const finalized = parties(blocks, up, (node) => node.chain.finalized);
		const slot = Math.max(0, ...up.map((node) => node.clock.slot()));
		const apart = heads.length > 1;
		this.since = apart ? (this.since ?? slot) : null;
		const parted = apart && (slot - this.since >= PATIENCE_SLOTS || isOld(blocks, heads[0].tip, heads[1].tip));
		return { heads, finalized, parted, broken: finalized.length > 1, since: this.since, up: up.length };
	}
}
