// Where blocks go: columns are slots, lanes are branches, the chosen chain in the middle.

const MOST_LANES = 7;

/** 0, 1, -1, 2, -2, … */
const laneNumber = (i) => (i % 2 ? (i + 1) / 2 : -i / 2);

/** `blocks`: by root; `main`: the tip in the middle. Gives lanes by root, and counts the tips left out. */
export function layout(blocks, main, first, last) {
	const visible = [...blocks.values()].filter((block) => block.slot >= first && block.slot <= last);
	const parents = new Set(visible.map((block) => block.parent));
	const tips = visible.filter((block) => !parents.has(block.root) || block.root === main);
	const lanes = new Map();
	const taken = []; // per lane: [from, to] spans
	let hidden = 0;

	// Older branches before newer ones: what is there stays where it is.
	tips.sort((a, b) => (b.root === main) - (a.root === main) || a.slot - b.slot || (a.root < b.root ? -1 : 1));
	for (const tip of tips) {
		if (lanes.has(tip.root)) continue;
		const path = [];
		let at = tip;
		while (at && at.slot >= first && !lanes.has(at.root)) {
			path.push(at);
			at = blocks.get(at.parent);
		}
		const from = at ? at.slot + 1 : first;
		let i = tip.root === main ? 0 : 1;
		while (taken[i]?.some(([a, b]) => from <= b && tip.slot >= a)) i++;
		if (i >= MOST_LANES) {
			hidden += 1;
			continue;
		}
		(taken[i] ??= []).push([from, tip.root === main ? last : tip.slot + 1]);
		for (const block of path) lanes.set(block.root, laneNumber(i));
	}
	const used = [...lanes.values()];
	return { lanes, low: Math.min(0, ...used), high: Math.max(0, ...used), hidden };
}
