// How far finality is behind, slot by slot.
import { el, paint, palette, setAttribute, setText } from "./dom.js";
import { number, plural } from "./format.js";

/** Finality is this far behind the head when all is well. */
const HEALTHY = 3;
const MOST_SLOTS = 160;
const LEFT = 26;
const BOTTOM = 18;

export class FinalityChart {
  constructor(host) {
    this.canvas = el("canvas", { class: "lag", role: "img" });
    this.words = el("p", { class: "words" });
    host.append(this.canvas, this.words);
  }

  render(history) {
    const shown = history.slice(-MOST_SLOTS);
    const last = shown.at(-1);
    const worst = Math.max(0, ...shown.map((entry) => entry.finalized));
    const text = last
      ? `Now ${plural(last.finalized, "slot")} behind; at most ${number(worst)} in the last ${plural(shown.length, "slot")}.`
      : "Nothing has been watched yet: a point is drawn at the end of each slot.";
    setText(this.words, text);
    setAttribute(this.canvas, "aria-label", `Slots from the clock to finality. ${text}`);
    paint(this.canvas, (context, width, height) => draw(context, width, height, shown, worst));
  }
}

function draw(context, width, height, shown, worst) {
  const colours = palette();
  const top = Math.max(8, Math.ceil((worst + 1) / 4) * 4);
  const inner = [width - LEFT - 6, height - BOTTOM - 8];
  const first = shown[0]?.slot ?? 0;
  const last = Math.max(shown.at(-1)?.slot ?? 0, first + 31);
  const x = (slot) => LEFT + (inner[0] * (slot - first)) / (last - first + 1);
  const y = (lag) => 8 + inner[1] * (1 - Math.min(top, lag) / top);
  context.font = `11px ${colours.font}`;
  context.textAlign = "right";
  for (let lag = 0; lag <= top; lag += top / 4) {
    context.fillStyle = colours.line;
    context.fillRect(LEFT, Math.round(y(lag)), inner[0], 1);
    context.fillStyle = colours.soft;
    context.fillText(lag, LEFT - 6, y(lag) + 4);
  }
  if (shown.length) {
    area(context, shown, x, y, (entry) => entry.finalized, colours.good);
    line(context, shown, x, y, (entry) => entry.finalized, colours.good, 2);
    line(context, shown, x, y, (entry) => entry.justified, colours.just, 1.5);
    context.fillStyle = colours.soft;
    context.fillText(number(shown.at(-1).slot), Math.max(LEFT + 60, x(shown.at(-1).slot + 1)), height - 4);
    context.textAlign = "left";
    context.fillText(`slot ${number(first)}`, LEFT, height - 4);
  }
  context.strokeStyle = colours.soft;
  context.setLineDash([4, 4]);
  context.beginPath();
  context.moveTo(LEFT, Math.round(y(HEALTHY)) + 0.5);
  context.lineTo(width - 6, Math.round(y(HEALTHY)) + 0.5);
  context.stroke();
  context.setLineDash([]);
}

function steps(context, shown, x, y, value) {
  let drawn = false;
  for (const entry of shown) {
    const at = value(entry);
    if (at === null) {
      drawn = false;
      continue;
    }
    context[drawn ? "lineTo" : "moveTo"](x(entry.slot), y(at));
    context.lineTo(x(entry.slot + 1), y(at));
    drawn = true;
  }
}

function line(context, shown, x, y, value, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  steps(context, shown, x, y, value);
  context.stroke();
}

function area(context, shown, x, y, value, colour) {
  context.fillStyle = colour;
  context.globalAlpha = 0.16;
  context.beginPath();
  context.moveTo(x(shown[0].slot), y(0));
  for (const entry of shown) {
    context.lineTo(x(entry.slot), y(value(entry)));
    context.lineTo(x(entry.slot + 1), y(value(entry)));
  }
  context.lineTo(x(shown.at(-1).slot + 1), y(0));
  context.fill();
  context.globalAlpha = 1;
}
