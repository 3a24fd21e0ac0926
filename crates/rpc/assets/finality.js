// How far finality is behind, slot by slot.
import { el, set, setText } from "./dom.js";
import { paint } from "./pen.js";
import { number, plural } from "./format.js";

const HEALTHY = 3;
const MOST_SLOTS = 160;
const LEFT = 26;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 18;

export class FinalityChart {
	constructor(host) {
		this.canvas = el("canvas.lag", { role: "img" });
		this.words = el("p.words");
		host.append(this.canvas, this.words);
	}

	render(history) {
		const shown = history.slice(-MOST_SLOTS);
		const worst = Math.max(0, ...shown.map((entry) => entry.finalized));
		const text = shown.length
			? `Now ${plural(shown.at(-1).finalized, "slot")} behind; at most ${number(worst)} in the last ${plural(shown.length, "slot")}.`
			: "Nothing has been watched yet: a point is drawn at the end of each slot.";
		setText(this.words, text);
		set(this.canvas, { "aria-label": `Slots from the clock to finality. ${text}` });
		paint(this.canvas, (pen, width, height) => draw(pen, width, height, shown, worst));
	}
}

function draw(pen, width, height, shown, worst) {
	const top = Math.max(8, Math.ceil((worst + 1) / 4) * 4);
	const [across, down] = [width - LEFT - RIGHT, height - TOP - BOTTOM];
	const first = shown[0]?.slot ?? 0;
	const last = shown.at(-1)?.slot ?? 0;
	const x = (slot) => LEFT + (across * (slot - first)) / (Math.max(last, first + 31) - first + 1);
	const y = (lag) => TOP + down * (1 - Math.min(top, lag) / top);
	for (let lag = 0; lag <= top; lag += top / 4) {
		pen.box("line", LEFT, Math.round(y(lag)), across, 1);
		pen.text("soft", lag, LEFT - 6, y(lag) + 4, { align: "right" });
	}
	const steps = (kind) => (path) => {
		for (const { slot, [kind]: lag } of shown) {
			if (lag === undefined) continue;
			path.lineTo(x(slot), y(lag));
			path.lineTo(x(slot + 1), y(lag));
		}
	};
	if (shown.length) {
		const area = (path) => {
			path.moveTo(x(first), y(0));
			steps("finalized")(path);
			path.lineTo(x(last + 1), y(0));
		};
		pen.fill("good", area, 0.16);
		pen.stroke("good", 2, steps("finalized"));
		pen.stroke("just", 1.5, steps("justified"));
		pen.text("soft", number(last), Math.max(LEFT + 60, x(last + 1)), height - 4, { align: "right" });
		pen.text("soft", `slot ${number(first)}`, LEFT, height - 4);
	}
	const healthy = Math.round(y(HEALTHY)) + 0.5;
	pen.stroke("soft", 1.5, (path) => {
		path.moveTo(LEFT, healthy);
		path.lineTo(width - RIGHT, healthy);
	}, [4, 4]);
}
