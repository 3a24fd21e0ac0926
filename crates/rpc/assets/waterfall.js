// The last slots below each other: a line of the four ticks each, and the counts beside it. A real table.
import { el, paint, palette, setAttribute, setText } from "./dom.js";
import { number, within } from "./format.js";
import { summary } from "./strip.js";

const ROWS = 10;
/** Votes are drawn in this many bins of the slot's time, as tall as there are votes in one. */
const BINS = 120;

export class Waterfall {
  /** `choose(slot)` is called with a slot to look at, or null for the current one. */
  constructor(host, choose) {
    this.choose = choose;
    this.rows = [];
    this.body = el("tbody");
    host.append(el("table", { class: "waterfall" },
      el("thead", {}, el("tr", {},
        ...["Slot", "Proposer", "Block after", "Votes over the slot", "Votes", "Late", "Missed"].map((name, i) => el("th", { scope: "col", class: ["", "wide", "", "bins", "", "", ""][i] }, name)))),
      this.body));
    for (let i = 0; i < ROWS; i++) this.rows.push(this.row());
  }

  row() {
    const button = el("button", { type: "button", class: "plain", on: { click: () => this.choose(row.slot === this.chosen ? null : row.slot) } });
    const canvas = el("canvas", { role: "img" });
    const cells = ["wide", "", "bins", "", "", ""].map((name) => el("td", { class: name }));
    cells[2].append(canvas);
    const line = el("tr", {}, el("th", { scope: "row" }, button), ...cells);
    this.body.append(line);
    const row = { line, button, canvas, cells, slot: null };
    return row;
  }

  /** `slots`: Map of slot → SlotVotes; `now`: the node's clock. */
  render(slots, current, now, chosen) {
    this.chosen = chosen;
    this.rows.forEach((row, i) => {
      const slot = current - i;
      row.line.hidden = slot < 1;
      if (slot < 1) return;
      const record = slots.get(slot);
      const settled = record ? now - record.start > 2 * record.slotMs : true;
      // A slot that is over does not change: leave it as it is drawn.
      const state = `${slot} ${record?.seen} ${record?.late} ${record?.blocks} ${record?.proposer} ${settled} ${row.canvas.clientWidth} ${document.documentElement.dataset.theme}`;
      setAttribute(row.button, "aria-pressed", slot === chosen);
      if (row.state === state) return;
      row.state = state;
      row.slot = slot;
      setText(row.button, slot);
      this.write(row, record, settled, now);
    });
  }

  write({ cells, canvas }, record, settled, now) {
    const [proposer, block, , votes, late, missed] = cells;
    setText(proposer, record?.proposer ?? "–");
    setText(block, record?.blockAt !== null && record ? within(record.blockAt) : record?.proposer !== null && record ? "unseen" : settled && record ? "empty" : "–");
    block.classList.toggle("bad", Boolean(record && record.blockAt !== null && record.blockAt >= record.slotMs / 4));
    block.classList.toggle("soft", !record || record.blockAt === null);
    setText(votes, record ? `${number(record.seen)}/${number(record.validators)}` : "not watched");
    setText(late, record ? number(record.late) : "–");
    late.classList.toggle("bad", record?.late > 0);
    const gone = record && settled ? record.validators - record.seen : 0;
    setText(missed, record && settled ? number(gone) : "–");
    missed.classList.toggle("bad", gone > 0);
    setAttribute(canvas, "aria-label", record ? summary(record, now) : "no votes known");
    paint(canvas, (context, width, height) => record && bins(context, width, height, record));
  }
}

function bins(context, width, height, record) {
  const colours = palette();
  for (let i = 0; i <= 4; i++) {
    context.fillStyle = colours.line;
    context.fillRect(Math.min(width - 1, (width * i) / 4), 0, 1, height);
  }
  const counts = [new Uint16Array(BINS), new Uint16Array(BINS)];
  for (let v = 0; v < record.validators; v++) {
    const time = record.times[v];
    if (Number.isNaN(time) || v === record.proposer) continue;
    counts[record.isLate(v) ? 1 : 0][Math.max(0, Math.min(BINS - 1, Math.floor((time / record.slotMs) * BINS)))] += 1;
  }
  const most = Math.max(3, ...counts[0], ...counts[1]);
  const step = width / BINS;
  counts.forEach((of, late) => {
    context.fillStyle = late ? colours.bad : colours.vote;
    of.forEach((count, i) => {
      // One late vote among a thousand is still to be seen.
      const tall = count && Math.max(4, (height - 2) * Math.sqrt(count / most));
      if (count) context.fillRect(i * step, height - tall, Math.max(1.5, step - 0.5), tall);
    });
  });
  if (record.blockAt === null) return;
  context.fillStyle = record.blockAt >= record.slotMs / 4 ? colours.bad : colours.head;
  context.fillRect(width * Math.min(1, record.blockAt / record.slotMs) - 1.5, 1, 3, height - 1);
}
