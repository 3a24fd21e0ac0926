// The block tree: forks in lanes of their own, weights as filling, marks as flags.
import { el, set, setText, svg } from "./dom.js";
import { layout } from "./layout.js";
import { number, shortRoot } from "./format.js";

const COLUMN = 46;
const TILE = 28;
const HALF = TILE / 2;
const FLAG = 19;
const AXIS = 24;
const LANE = { low: 34, high: 60, all: 216 };
/** Positions count from a new zero now and then, to stay exact. */
const REBASE = 512;
const STATES = { finalized: "finalized", justified: "justified", chain: "on the head's chain", fork: "on a branch" };

export class TreeView {
	/** `right`: room for heads' names; `pick(root)`: a block is pointed at, or null. */
	constructor(host, { label, right, pick }) {
		Object.assign(this, { host, right, pick });
		this.now = svg("g.now", svg("rect.now-band", { width: COLUMN, rx: 4 }), svg("rect.now-line", { x: 0, height: 2 }));
		this.layers = Object.fromEntries(["axis", "gaps", "edges", "flags", "blocks"].map((name) => [name, new Layer()]));
		this.world = svg("g.world", this.now, ...Object.values(this.layers).map((layer) => layer.group));
		this.svg = svg("svg.tree", { role: "group", "aria-label": label, width: "100%", onkeydown: (event) => this.key(event), onpointerleave: () => pick(null) }, this.world);
		this.empty = el("p.empty", "No blocks yet.");
		this.more = el("p.more");
		host.append(this.empty, this.svg, this.more);
	}

	/** See `modelOf`. */
	render(model) {
		this.model = model;
		const { blocks, current } = model;
		const width = this.host.clientWidth;
		if (!width) return;
		this.empty.hidden = blocks.size > 0;
		set(this.svg, { hidden: !blocks.size });
		const right = Math.min(this.right, width * 0.27);
		const columns = Math.max(3, Math.floor((width - right) / COLUMN));
		const slots = [...blocks.values()].map((block) => block.slot);
		const newest = Math.max(0, ...slots);
		// A node far behind shows its own end.
		const last = current - newest < columns - 4 && current >= newest ? current : newest + 1;
		const first = last - columns + 1;
		const base = Math.floor(first / REBASE) * REBASE;
		const placed = layout(blocks, model.chain.head?.root, first, last);
		const flags = model.marks.filter((mark) => mark.kind !== "head");
		const lanes = Math.max(3, placed.high - placed.low + 1);
		const low = Math.min(placed.low, -Math.floor((lanes - 1) / 2));
		const step = Math.max(LANE.low, Math.min(LANE.high, LANE.all / lanes));
		const top = Math.max(3, flags.length) * FLAG + 10;
		this.place = {
			first, last, step, top, lanes: placed.lanes,
			bottom: top + (lanes - 1) * step + TILE + 22,
			x: (slot) => (slot - base) * COLUMN + COLUMN / 2,
			y: (lane) => top + (lane - low) * step + HALF + 4,
		};
		set(this.svg, { height: this.place.bottom + AXIS });
		this.world.classList.toggle("jump", this.base !== base || this.width !== width);
		[this.base, this.width] = [base, width];
		this.world.style.transform = `translateX(${(base - first) * COLUMN + width - right - columns * COLUMN}px)`;
		this.axis(slots);
		this.blocks();
		this.flags(flags);
		this.tick(model.part);
		setText(this.more, `${number(placed.hidden)} more branches are not drawn`);
		this.more.hidden = !placed.hidden;
	}

	tick(part) {
		if (!this.place) return;
		const { x, last, top, bottom } = this.place;
		const { current } = this.model;
		const [band, line] = this.now.children;
		set(this.now, { hidden: current !== last });
		this.now.style.transform = `translateX(${x(current) - COLUMN / 2}px)`;
		set(band, { y: top - 4, height: bottom - top + 4 });
		set(line, { y: bottom - 2, width: Math.max(0, Math.min(1, part)) * COLUMN });
	}

	axis(slots) {
		const { layers, model } = this;
		const { first, last, bottom, x, y } = this.place;
		const every = String(last).length * 7 + 6 > COLUMN ? 2 : 1;
		const filled = new Set(slots);
		const oldest = Math.min(...slots);
		const [wanted, gaps] = [new Map(), new Map()];
		for (let slot = Math.max(0, first); slot <= last; slot++) {
			if (slot % every === 0) wanted.set(slot);
			if (!filled.has(slot) && slot < model.current && slot > oldest) gaps.set(slot);
		}
		layers.axis.keep(wanted, () => svg("text.slot", { "text-anchor": "middle" }), (text, slot) => {
			setText(text, slot);
			set(text, { x: x(slot), y: bottom + 16 });
			text.classList.toggle("current", slot === model.current);
		});
		layers.gaps.keep(gaps, (slot) => svg("g.gap", svg("rect", { x: -7, y: -7, width: 14, height: 14, rx: 4 }), svg("title", `slot ${slot}: no block`)), (gap, slot) => {
			gap.style.transform = `translate(${x(slot)}px, ${y(0)}px)`;
		});
	}

	state({ root, slot }) {
		const { canonical, chain } = this.model;
		if (!canonical.has(root)) return "fork";
		return ["finalized", "justified"].find((mark) => slot <= chain[mark]?.slot) ?? "chain";
	}

	blocks() {
		const { model, layers, place } = this;
		const wanted = new Map([...place.lanes.keys()].map((root) => [root, model.blocks.get(root)]));
		const heads = new Set(model.marks.filter((mark) => mark.kind === "head").map((mark) => mark.root));
		if (!wanted.has(this.focused)) this.focused = null;
		const tab = this.focused ?? (wanted.has(model.chain.head?.root) ? model.chain.head.root : wanted.keys().next().value);
		layers.edges.keep(wanted, () => svg("path.edge"), (path, root, block) => {
			set(path, { d: this.edge(block) });
			path.classList.toggle("fork", this.state(block) === "fork");
		});
		layers.blocks.keep(wanted, (root) => this.tile(root), (tile, root, block) => {
			const state = this.state(block);
			const share = state === "finalized" && !block.weight ? 1 : Math.min(1, (block.weight ?? 0) / Math.max(1, model.validators));
			const [, fill, , proposer, weight] = tile.children;
			set(tile, { class: `block ${state}${heads.has(root) ? " head" : ""}`, "aria-label": this.describe(block), tabindex: root === tab ? 0 : -1 });
			tile.style.transform = `translate(${place.x(block.slot)}px, ${place.y(place.lanes.get(root))}px)`;
			fill.style.clipPath = `inset(${(TILE * (1 - share)).toFixed(1)}px 0 0 0) fill-box`;
			setText(proposer, block.proposer ?? "");
			proposer.classList.toggle("long", block.proposer > 999);
			setText(weight, block.weight === undefined || place.step < 48 ? "" : number(block.weight));
		});
	}

	tile(root) {
		const rect = (name) => svg(`rect.${name}`, { x: -HALF, y: -HALF, width: TILE, height: TILE, rx: 7 });
		const text = (name, y) => svg(`text.${name}`, { "text-anchor": "middle", y });
		const show = () => {
			this.focused = root;
			this.pick(root);
		};
		const tile = svg("g", { role: "img", "data-root": root, onpointerenter: show, onfocus: show, onclick: () => tile.focus() },
			rect("back"), rect("fill"), rect("rim"), text("proposer", 4), text("weight", HALF + 12));
		return tile;
	}

	describe(block) {
		const marks = this.model.marks.filter((mark) => mark.root === block.root).map((mark) => mark.label).join(", ");
		const weight = block.weight === undefined ? "" : `, weight ${block.weight} of ${this.model.validators}`;
		return `Slot ${block.slot}, block ${shortRoot(block.root)}, proposer ${block.proposer}${weight}, ${STATES[this.state(block)]}${marks && `; ${marks}`}`;
	}

	edge(block) {
		const { x, y, lanes, first } = this.place;
		const parent = this.model.blocks.get(block.parent);
		const [x1, y1] = [x(block.slot) - HALF, y(lanes.get(block.root))];
		if (!parent || parent.slot < first || !lanes.has(parent.root)) return `M${x1 - (parent ? COLUMN : 8)} ${y1}L${x1} ${y1}`;
		const [x0, y0] = [x(parent.slot) + HALF, y(lanes.get(parent.root))];
		const bend = x0 + COLUMN - TILE;
		return y0 === y1 ? `M${x0} ${y0}L${x1} ${y1}` : `M${x0} ${y0}C${bend} ${y0} ${x0} ${y1} ${bend} ${y1}L${x1} ${y1}`;
	}

	/** The newest flag on top, so that no pole crosses a flag. Heads are named beside their tile. */
	flags(flags) {
		const { lanes, first, x, y } = this.place;
		const wanted = new Map();
		const want = (mark, row) => wanted.set(`${mark.kind} ${mark.label}`, { ...mark, row });
		flags.filter((mark) => lanes.has(mark.root)).sort((a, b) => b.slot - a.slot || b.order - a.order).forEach(want);
		for (const mark of this.model.marks) if (mark.kind === "head" && lanes.has(mark.root)) want(mark);
		this.layers.flags.keep(wanted, (_, { kind }) => svg(`g.flag.${kind}`, svg("line", { y1: 4 }), svg("rect", { rx: 4, height: 16 }), svg("text", { x: 6, y: 12 })), (group, _, { kind, label, root, row, slot }) => {
			const [pole, rect, text] = group.children;
			setText(text, label);
			// Measured once: measuring lays out.
			const width = (group.measured ??= text.getComputedTextLength() + 12);
			const beside = kind === "head";
			// At the left edge a flag flies to the right.
			const left = !beside && (slot - first + 0.5) * COLUMN < width;
			const [tileX, tileY] = [x(slot), y(lanes.get(root))];
			group.style.transform = beside ? `translate(${tileX + HALF + 7}px, ${tileY - 8}px)` : `translate(${left ? tileX - 1 : tileX - width + 1}px, ${row * FLAG + 1}px)`;
			set(rect, { width });
			const at = left ? 1 : width - 1;
			set(pole, { x1: at, x2: at, y2: beside ? 4 : tileY - HALF - row * FLAG - 2 });
		});
	}

	key(event) {
		const from = this.model?.blocks.get(document.activeElement?.dataset?.root);
		const next = from && this.neighbour(from, event.key);
		if (!next) return;
		event.preventDefault();
		this.layers.blocks.nodes.get(next.root).focus();
	}

	neighbour(from, key) {
		const { lanes } = this.place;
		const lane = ({ root }) => lanes.get(root);
		const all = [...lanes.keys()].map((root) => this.model.blocks.get(root));
		const nearest = (blocks, distance) => blocks.sort((a, b) => distance(a) - distance(b))[0];
		const beside = (blocks) => nearest(blocks, ({ slot }) => Math.abs(slot - from.slot));
		switch (key) {
			case "ArrowLeft": return all.find(({ root }) => root === from.parent);
			case "ArrowRight": return nearest(all.filter(({ parent }) => parent === from.root), (block) => Math.abs(lane(block)));
			case "ArrowUp": return beside(all.filter((block) => lane(block) < lane(from)));
			case "ArrowDown": return beside(all.filter((block) => lane(block) > lane(from)));
			case "Home": return nearest(all, ({ slot }) => slot);
			case "End": return nearest(all, ({ slot }) => -slot);
			default: return null;
		}
	}
}

/** Things by key: what stays moves and keeps its focus. */
class Layer {
	group = svg("g");
	nodes = new Map();

	keep(wanted, make, update) {
		for (const [key, node] of this.nodes) {
			if (wanted.has(key)) continue;
			node.remove();
			this.nodes.delete(key);
		}
		for (const [key, value] of wanted) {
			let node = this.nodes.get(key);
			if (!node) {
				node = make(key, value);
				this.nodes.set(key, node);
				this.group.append(node);
				// What is new appears in place.
				node.style.transition = "none";
				requestAnimationFrame(() => (node.style.transition = ""));
			}
			update(node, key, value);
		}
	}
}
