// One slot's votes on the four ticks: a lane per validator, a dot where its vote came.
import { el, paint, palette, setAttribute } from "./dom.js";
import { number, within } from "./format.js";

const TICKS = [["0", "block"], ["¼", "votes"], ["½", "safe target"], ["¾", "count"]];
const LEFT = 12;
const RIGHT = 16;
const TOP = 40;

/** Colours by `SlotVotes.kind`. */
export function tone(kind, colours) {
  return { good: colours.vote, block: colours.head, other: colours.warn, late: colours.bad, missed: colours.bad }[kind] ?? colours.soft;
}

export class Strip {
  constructor(host) {
    this.canvas = el("canvas", { class: "strip", role: "img", "aria-label": "The slot's votes by time" });
    host.append(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.hover?.(null));
  }

  /** `record`: the slot's votes or null; `now`: the node's clock in milliseconds. */
  render(record, now, validators) {
    this.record = record;
    setAttribute(this.canvas, "aria-label", record ? summary(record, now) : "No votes of this slot have come");
    paint(this.canvas, (context, width, height) => {
      const colours = palette();
      const inner = width - LEFT - RIGHT;
      this.x = (ms) => LEFT + inner * Math.min(1, ms / (record?.slotMs ?? 1));
      ticks(context, colours, inner, width, height);
      if (!record) return;
      const past = Math.min(1, (now - record.start) / record.slotMs);
      context.fillStyle = colours.ink;
      if (past >= 0 && past < 1) context.fillRect(LEFT + inner * past, 22, 1.5, height - 26);
      this.votes(context, colours, height, record, now, validators);
      block(context, colours, this.x, record);
    });
  }

  votes(context, colours, height, record, now, validators) {
    const room = height - TOP - 10;
    this.lane = room / Math.max(1, validators);
    const radius = Math.max(validators > 256 ? 1.2 : 2.4, Math.min(6, this.lane * 0.42));
    const favourite = record.favourite;
    for (let v = 0; v < record.validators; v++) {
      const kind = record.kind(v, now, favourite);
      const y = TOP + (v + 0.5) * this.lane;
      if (kind === "none" || kind === "missed") {
        // Not yet seen: hollow, where votes are due. Lanes thinner than a ring are left to the seats.
        if (this.lane < 5) continue;
        context.strokeStyle = tone(kind, colours);
        context.lineWidth = 1.2;
        ring(context, this.x(record.slotMs / 4), y, radius - 0.6);
        continue;
      }
      context.fillStyle = tone(kind, colours);
      if (record.times[v] < 0) continue;
      const x = this.x(record.times[v]);
      if (radius < 2) context.fillRect(x - 1, y - 1, 2.2, 2.2);
      else dot(context, x, y, radius);
    }
  }

  point(event) {
    const { record } = this;
    if (!record || !this.hover) return;
    const validator = Math.floor((event.offsetY - TOP) / this.lane);
    this.hover(validator >= 0 && validator < record.validators ? validator : null);
  }
}

function ring(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.stroke();
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

function ticks(context, colours, inner, width, height) {
  context.fillStyle = colours.raise;
  context.fillRect(LEFT + inner / 4, 20, inner / 4, height - 24);
  context.font = `11px ${colours.font}`;
  TICKS.forEach(([time, what], i) => {
    const x = LEFT + (inner * i) / 4;
    context.fillStyle = colours.line;
    context.fillRect(x, 20, 1, height - 24);
    context.fillStyle = colours.soft;
    context.fillText(inner > 420 ? `t = ${time}  ${what}` : i === 2 && inner < 420 ? `${time} safe` : `${time} ${what}`, x, 13);
  });
  context.fillStyle = colours.line;
  context.fillRect(LEFT + inner, 20, 1, height - 24);
}

function block(context, colours, x, record) {
  if (record.blockAt === null) return;
  const at = x(record.blockAt);
  const late = record.blockAt >= record.slotMs / 4;
  context.fillStyle = late ? colours.bad : colours.head;
  context.fillRect(at - 1, 22, 2, TOP - 14);
  context.beginPath();
  context.moveTo(at, 22);
  context.lineTo(at + 6, 28);
  context.lineTo(at, 34);
  context.lineTo(at - 6, 28);
  context.fill();
  context.font = `11px ${colours.font}`;
  context.fillStyle = colours.ink;
  context.fillText(`${within(record.blockAt)}${late ? " late" : ""}`, at + 10, 32);
}

/** What the picture shows, in words. */
export function summary(record, now) {
  const { seen, late, validators } = record;
  const block = record.blockAt === null ? (record.proposer === null ? "no block" : "its block came before this page watched") : `block after ${within(record.blockAt)}`;
  const over = now - record.start > 2 * record.slotMs;
  const rest = validators - seen;
  return `Slot ${record.slot}: ${block}, ${number(seen)} of ${number(validators)} votes, ${number(late)} late, ${number(rest)} ${over ? "missed" : "not seen yet"}`;
}
