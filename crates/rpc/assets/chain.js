// A node's blocks, their weights, and the four marks.

export const MARKS = ["finalized", "justified", "safe_target", "head"];
const KEPT_SLOTS = 160;
const MOST_BLOCKS = 2048;

/** The block of this slot or before it, below `root`; undefined where that is not known. */
export function ancestor(blocks, root, slot) {
	let at = blocks.get(root);
	while (at && at.slot > slot) at = blocks.get(at.parent);
	return at;
}

export class Chain {
	blocks = new Map();

	/** From an event, the tree or a list of blocks; the first arrival counts. */
	add(root, { slot, parent_root: parent, proposer_index: proposer, weight, origin, at }) {
		const known = this.blocks.get(root);
		const came = known?.at ? { origin: known.origin, at: known.at } : { origin, at };
		this.blocks.set(root, { root, slot, parent, proposer, weight: weight ?? known?.weight, ...came });
		if (this.blocks.size > MOST_BLOCKS) this.prune();
	}

	/** `lean_fork_choice`'s answer. */
	take({ nodes, head, justified, finalized, safe_target: safe }) {
		for (const node of nodes) this.add(node.root, node);
		this.mark({ head: this.blocks.get(head), safe_target: this.blocks.get(safe), justified, finalized });
		this.prune();
	}

	mark(points) {
		for (const name of MARKS) if (points[name]) this[name] = { root: points[name].root, slot: points[name].slot };
	}

	isCanonical({ root, slot }) {
		return ancestor(this.blocks, this.head?.root, slot)?.root === root;
	}

	/** The head's chain by root. */
	canonical() {
		const chain = new Map();
		for (let at = this.blocks.get(this.head?.root); at; at = this.blocks.get(at.parent)) chain.set(at.root, at);
		return chain;
	}

	prune() {
		const oldest = (this.head?.slot ?? 0) - KEPT_SLOTS;
		const sorted = [...this.blocks.values()].sort((a, b) => b.slot - a.slot);
		sorted.forEach(({ root, slot }, i) => (slot < oldest || i >= MOST_BLOCKS) && this.blocks.delete(root));
	}
}
