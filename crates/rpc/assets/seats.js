// A seat for every validator: filled when its vote of the slot has come, hollow while not.
import { el, paint, palette } from "./dom.js";
import { tone } from "./strip.js";

const GAP_FROM = 6;

export class Seats {
  constructor(host) {
    this.canvas = el("canvas", { class: "seats", "aria-hidden": "true" });
    host.append(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.hover?.(null));
  }

  render(record, now, validators, local) {
    this.validators = validators;
    paint(this.canvas, (context, width, height) => {
      const colours = palette();
      this.columns = grid(validators, width, height);
      this.cell = Math.min(109, width / this.columns, height / Math.ceil(validators / this.columns));
      const gap = this.cell >= GAP_FROM ? Math.max(1, this.cell * 0.12) : 0.5;
      const size = this.cell - gap;
      const favourite = record?.favourite;
      context.font = `${Math.min(16, size * 0.42)}px ${colours.font}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      for (let v = 0; v < validators; v++) {
        const x = (v % this.columns) * this.cell;
        const y = Math.floor(v / this.columns) * this.cell;
        seat(context, colours, record ? record.kind(v, now, favourite) : "none", x, y, size);
        if (size < 15) continue;
        const filled = record && !Number.isNaN(record.times[v]);
        context.fillStyle = filled ? colours.panel : local?.has(v) ? colours.ink : colours.soft;
        context.fillText(v, x + size / 2, y + size / 2 + 0.5);
      }
    });
  }

  point(event) {
    if (!this.hover || !this.cell) return;
    const column = Math.floor(event.offsetX / this.cell);
    const validator = Math.floor(event.offsetY / this.cell) * this.columns + column;
    this.hover(column < this.columns && validator < this.validators ? validator : null);
  }
}

/** The number of columns that gives the largest square cells. */
function grid(count, width, height) {
  let best = [1, 0];
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const cell = Math.min(width / columns, height / Math.ceil(count / columns));
    if (cell > best[1] + 1e-6) best = [columns, cell];
    // Round numbers of columns are easier to count in.
    else if (cell === best[1] && columns % 8 === 0) best = [columns, cell];
  }
  return best[0];
}

function seat(context, colours, kind, x, y, size) {
  const hollow = kind === "none" || kind === "missed";
  const radius = size > 12 ? 4 : 0;
  context.beginPath();
  if (hollow) context.roundRect(x + 0.5, y + 0.5, size - 1, size - 1, radius);
  else context.roundRect(x, y, size, size, radius);
  if (hollow) {
    context.lineWidth = kind === "missed" ? 1.5 : 1;
    context.strokeStyle = kind === "missed" ? colours.bad : colours.line;
    context.stroke();
  } else {
    context.fillStyle = tone(kind, colours);
    context.fill();
  }
}
