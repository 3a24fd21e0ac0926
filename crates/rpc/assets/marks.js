// What the tree shows of one node or of several.
import { MARKS } from "./chain.js";
import { number } from "./format.js";

/** `first`: the node whose chain is in the middle. */
export function modelOf(nodes, first = nodes[0]) {
	const { chain, clock } = first;
	const seeing = nodes.filter((node) => node === first || (node.link === "up" && node.head));
	return {
		blocks: seeing.length > 1 ? merge(seeing) : chain.blocks,
		validators: first.validators,
		current: clock.known ? clock.current : (chain.head?.slot ?? 0),
		part: clock.part(),
		chain,
		canonical: chain.canonical(),
		marks: MARKS.flatMap((kind, order) => marks(nodes, seeing, kind, order)),
	};
}

/** A mark says which nodes see it there, where not all do. */
function marks(nodes, seeing, kind, order) {
	// Of several nodes, the safe targets would hide the rest.
	if (nodes.length > 1 && kind === "safe_target") return [];
	const groups = groupBy(seeing.filter((node) => node.chain[kind]), (node) => node.chain[kind].root);
	const what = kind.replace("_", " ");
	return [...groups.values()].map((of) => {
		let label = groups.size > 1 ? `${what}: ${names(of)}` : what;
		if (kind === "head" && nodes.length > 1) label = of.length === nodes.length ? `head of all ${number(of.length)}` : `head: ${names(of)}`;
		return { kind, label, order, ...of[0].chain[kind] };
	});
}

/** Who heard of fewer votes shows less weight: the largest is nearest to the truth. */
function merge(nodes) {
	const blocks = new Map();
	for (const node of nodes) {
		for (const [root, block] of node.chain.blocks) {
			if ((block.weight ?? -1) > (blocks.get(root)?.weight ?? -2)) blocks.set(root, block);
		}
	}
	return blocks;
}

export function groupBy(items, key) {
	const groups = new Map();
	for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
	return groups;
}

/** `0, 2` of `quartet_0`, `quartet_2`. */
function names(nodes) {
	return nodes.length > 3 ? `${nodes.length} nodes` : nodes.map((node) => node.name.replace(/^quartet_/, "")).join(", ");
}
