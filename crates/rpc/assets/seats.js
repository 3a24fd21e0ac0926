// A seat for every validator, filled when its vote has come.
import { el } from "./dom.js";
import { paint } from "./pen.js";
import { TONES } from "./votes.js";

const LARGEST = 109;

export class Seats {
	constructor(host, hover) {
		this.hover = hover;
		const handlers = { onpointermove: (event) => this.point(event), onpointerleave: () => hover(null) };
		this.canvas = el("canvas.seats", { "aria-hidden": "true", ...handlers });
		host.append(this.canvas);
	}

	render(record, now, validators, local) {
		this.validators = validators;
		paint(this.canvas, (pen, width, height) => {
			this.columns = grid(validators, width, height);
			this.cell = Math.min(LARGEST, width / this.columns, height / Math.ceil(validators / this.columns));
			const size = this.cell - (this.cell >= 6 ? Math.max(1, this.cell * 0.12) : 0.5);
			const favourite = record?.favourite;
			for (let v = 0; v < validators; v++) {
				const x = (v % this.columns) * this.cell;
				const y = Math.floor(v / this.columns) * this.cell;
				seat(pen, record?.kind(v, now, favourite) ?? "none", x, y, size);
				if (size < 15) continue;
				const colour = record?.came(v) ? "panel" : local?.has(v) ? "ink" : "soft";
				pen.text(colour, v, x + size / 2, y + size / 2 + 0.5, { align: "center", baseline: "middle", size: Math.min(16, size * 0.42) });
			}
		});
	}

	point({ offsetX, offsetY }) {
		const column = Math.floor(offsetX / this.cell);
		const validator = Math.floor(offsetY / this.cell) * this.columns + column;
		this.hover(column < this.columns && validator < this.validators ? validator : null);
	}
}

/** The largest square cells. */
function grid(count, width, height) {
	let best = [1, 0];
	for (let columns = 1; columns <= Math.max(1, count); columns++) {
		const cell = Math.min(width / columns, height / Math.ceil(count / columns));
		// Round numbers of columns are easier to count in.
		if (cell > best[1] + 1e-6 || (cell === best[1] && columns % 8 === 0)) best = [columns, cell];
	}
	return best[0];
}

function seat(pen, kind, x, y, size) {
	const radius = size > 12 ? 4 : 0;
	const inner = (path) => path.roundRect(x + 0.5, y + 0.5, size - 1, size - 1, radius);
	if (kind === "none") pen.stroke("line", 1, inner);
	else if (kind === "missed") pen.stroke("bad", 1.5, inner);
	else pen.fill(TONES[kind], (path) => path.roundRect(x, y, size, size, radius));
}
