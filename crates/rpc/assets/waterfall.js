// The last slots: a line of the four ticks each, and the counts.
import { el, fit, outdated, set, setText } from "./dom.js";
import { Table } from "./panel.js";
import { paint } from "./pen.js";
import { number, within } from "./format.js";

const ROWS = 10;
/** Per slot; as tall as there are votes in one. */
const BINS = 120;

export class Waterfall extends Table {
	/** `choose(slot)`: the slot to look at, or null for the current one. */
	constructor(choose) {
		super("Votes of the last slots", ["Slot", "Proposer", "Block after", "Votes over the slot", "Votes", "Late", "Missed"]);
		this.box.classList.add("waterfall");
		this.choose = choose;
	}

	row() {
		const button = el("button.plain", { type: "button", onclick: () => this.choose(row.slot === this.chosen ? null : row.slot) });
		const canvas = el("canvas", { role: "img" });
		const [proposer, block, ...counts] = Array.from({ length: 5 }, () => el("td"));
		const row = el("tr", el("th", { scope: "row" }, button), proposer, block, el("td", canvas), ...counts);
		return Object.assign(row, { button, canvas, told: [proposer, block, ...counts] });
	}

	render(slots, current, now, chosen) {
		this.chosen = chosen;
		const shown = Array.from({ length: Math.min(ROWS, current) }, (_, i) => current - i);
		fit(this.body, shown, () => this.row(), (row, slot) => {
			set(row.button, { "aria-pressed": String(slot === chosen) });
			const record = slots.get(slot);
			const over = record?.isOver(now);
			if (!outdated(row.canvas, slot, record?.seen, record?.blocks, record?.proposer, over)) return;
			row.slot = slot;
			setText(row.button, slot);
			set(row.canvas, { "aria-label": record?.summary(now) ?? "no votes known" });
			paint(row.canvas, (pen, width, height) => record && bins(pen, width, height, record));
			cells(record, over).forEach(([text, tone], i) => {
				setText(row.told[i], text);
				set(row.told[i], { class: tone });
			});
		});
	}
}

/** Text and tone of all cells but those with elements in them. */
function cells(record, over) {
	if (!record) return ["–", "–", "not watched", "–", "–"].map((text) => [text, "soft"]);
	const { blockAt, blockLate, late, proposer, seen, validators } = record;
	const gone = over ? validators - seen : NaN;
	const unseen = proposer !== null ? "unseen" : over ? "empty" : "–";
	return [
		[proposer ?? "–"], blockAt !== null ? [within(blockAt), blockLate && "bad"] : [unseen, "soft"],
		[`${number(seen)}/${number(validators)}`], [number(late), late > 0 && "bad"], [number(gone), gone > 0 && "bad"],
	];
}

function bins(pen, width, height, record) {
	for (let i = 0; i <= 4; i++) pen.box("line", Math.min(width - 1, (width * i) / 4), 0, 1, height);
	const counts = { vote: new Uint16Array(BINS), bad: new Uint16Array(BINS) };
	record.times.forEach((time, v) => {
		if (!record.came(v) || v === record.proposer) return;
		const bin = Math.floor((time / record.slotMs) * BINS);
		counts[record.isLate(v) ? "bad" : "vote"][Math.max(0, Math.min(BINS - 1, bin))] += 1;
	});
	const most = Math.max(3, ...counts.vote, ...counts.bad);
	const step = width / BINS;
	for (const [colour, of] of Object.entries(counts)) {
		of.forEach((count, i) => {
			// One among a thousand is still to be seen.
			const tall = Math.max(4, (height - 2) * Math.sqrt(count / most));
			if (count) pen.box(colour, i * step, height - tall, Math.max(1.5, step - 0.5), tall);
		});
	}
	const { blockAt, blockLate, slotMs } = record;
	if (blockAt !== null) pen.box(blockLate ? "bad" : "head", width * Math.min(1, blockAt / slotMs) - 1.5, 1, 3, height - 1);
}
