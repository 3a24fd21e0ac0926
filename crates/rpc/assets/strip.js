// One slot's votes on the four ticks: a lane per validator, a dot where its vote came.
import { el, set } from "./dom.js";
import { paint } from "./pen.js";
import { within } from "./format.js";
import { TONES } from "./votes.js";

const TICKS = [["0", "block"], ["¼", "votes"], ["½", "safe target"], ["¾", "count"]];
const LEFT = 12;
const RIGHT = 16;
const TOP = 40;
/** Below, there is no room for long words at the ticks. */
const ROOMY = 420;

export class Strip {
	constructor(host, hover) {
		this.hover = hover;
		this.canvas = el("canvas.strip", { role: "img", onpointermove: (event) => this.point(event), onpointerleave: () => hover(null) });
		host.append(this.canvas);
	}

	/** `now`: the node's clock. */
	render(record, now, validators) {
		this.record = record;
		set(this.canvas, { "aria-label": record?.summary(now) ?? "No votes of this slot have come" });
		paint(this.canvas, (pen, width, height) => {
			const inner = width - LEFT - RIGHT;
			this.lane = (height - TOP - 10) / Math.max(1, validators);
			ticks(pen, inner, height);
			if (!record) return;
			const x = (ms) => LEFT + inner * Math.min(1, ms / record.slotMs);
			const past = now - record.start;
			if (past >= 0 && past < record.slotMs) pen.box("ink", x(past), 22, 1.5, height - 26);
			votes(pen, x, this.lane, record, now);
			block(pen, x, record);
		});
	}

	point({ offsetY }) {
		const validator = Math.floor((offsetY - TOP) / this.lane);
		this.hover(validator >= 0 && validator < this.record?.validators ? validator : null);
	}
}

function ticks(pen, inner, height) {
	pen.box("raise", LEFT + inner / 4, 20, inner / 4, height - 24);
	for (let i = 0; i <= 4; i++) {
		const x = LEFT + (inner * i) / 4;
		pen.box("line", x, 20, 1, height - 24);
		const [time, what] = TICKS[i] ?? [];
		if (time) pen.text("soft", inner > ROOMY ? `t = ${time}  ${what}` : `${time} ${what.split(" ")[0]}`, x, 13);
	}
}

function votes(pen, x, lane, record, now) {
	const radius = Math.max(record.validators > 256 ? 1.2 : 2.4, Math.min(6, lane * 0.42));
	const { favourite } = record;
	for (let v = 0; v < record.validators; v++) {
		const tone = TONES[record.kind(v, now, favourite)];
		const time = record.times[v];
		const y = TOP + (v + 0.5) * lane;
		if (!record.came(v)) {
			// Lanes thinner than a ring are left to the seats.
			if (lane >= 5) pen.stroke(tone, 1.2, (path) => path.arc(x(record.slotMs / 4), y, radius - 0.6, 0, 7));
		} else if (time >= 0) {
			if (radius < 2) pen.box(tone, x(time) - 1, y - 1, 2.2, 2.2);
			else pen.fill(tone, (path) => path.arc(x(time), y, radius, 0, 7));
		}
	}
}

function block(pen, x, { blockAt, blockLate }) {
	if (blockAt === null) return;
	const at = x(blockAt);
	const colour = blockLate ? "bad" : "head";
	pen.box(colour, at - 1, 22, 2, TOP - 14);
	pen.fill(colour, (path) => {
		for (const [dx, y] of [[0, 22], [6, 28], [0, 34], [-6, 28]]) path.lineTo(at + dx, y);
	});
	pen.text("ink", `${within(blockAt)}${blockLate ? " late" : ""}`, at + 10, 32);
}
