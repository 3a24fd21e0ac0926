// The validators' records since the node runs: votes in time, late, missed, found in blocks; proposals.
import { el, setRows, setText } from "./dom.js";
import { Panel, tableIn } from "./panel.js";
import { number, percent, plural } from "./format.js";

const PAGE = 16;
/** Slots between two questions: an answer has a record of every validator. */
const EVERY = 4;
const ORDERS = {
  index: ["by number", (a, b) => a.index - b.index],
  worst: ["worst first", (a, b) => faults(b) - faults(a) || a.index - b.index],
  local: ["own first", (a, b) => b.local - a.local || a.index - b.index],
};

function faults({ record: { votes, proposals } }) {
  return votes.missed * 2 + votes.late + proposals.missed * 4;
}

export class ValidatorsPanel {
  constructor() {
    this.panel = new Panel("Validators", { name: "validators" });
    this.records = [];
    this.page = 0;
    this.order = el("select", { "aria-label": "Order of validators", on: { change: () => this.turn(-this.page) } },
      ...Object.entries(ORDERS).map(([key, [name]]) => el("option", { value: key }, name)));
    this.back = el("button", { type: "button", class: "button", on: { click: () => this.turn(-1) } }, "Previous");
    this.forth = el("button", { type: "button", class: "button", on: { click: () => this.turn(1) } }, "Next");
    this.where = el("span", { class: "soft" });
    this.table = tableIn(this.panel, ["No.", "In time", "Late", "Missed", "In blocks", "Blocks", "Last vote"], "Validators");
    this.panel.body.append(el("div", { class: "pager" }, this.order, this.where, this.back, this.forth));
    this.visible = false;
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      if (this.node) this.refresh(this.node);
    }).observe(this.panel.section);
  }

  /** Asks for the records, not more often than every few slots and only while they are on the screen. */
  async refresh(node) {
    this.node = node;
    const slot = node.clock.slot();
    const due = this.of !== node || slot >= this.asked + EVERY || slot < this.asked;
    if (node.link !== "up" || !this.visible || !due || this.asking) return;
    [this.of, this.asked, this.asking] = [node, slot, true];
    try {
      const records = await node.feed.call("lean_validators");
      if (this.node !== node) return;
      this.failed = false;
      this.records = records;
    } catch {
      this.failed = true;
    } finally {
      this.asking = false;
      this.render();
    }
  }

  /** Another node is shown. */
  forget() {
    [this.records, this.of, this.page, this.failed] = [[], null, 0, false];
    this.render();
  }

  turn(by) {
    this.page += by;
    this.render();
  }

  render() {
    const sorted = [...this.records].sort(ORDERS[this.order.value][1]);
    const pages = Math.max(1, Math.ceil(sorted.length / PAGE));
    this.page = Math.max(0, Math.min(this.page, pages - 1));
    this.back.disabled = this.page === 0;
    this.forth.disabled = this.page >= pages - 1;
    setText(this.where, `${this.page + 1} of ${number(pages)}`);
    this.table.state(sorted.length ? "" : this.failed ? "This node does not tell validators' records." : "Asking for the records…");
    this.panel.say(this.summary());
    setRows(this.table.body, sorted.slice(this.page * PAGE, (this.page + 1) * PAGE).map(({ index, local, pubkey, record, last_vote: last }) => {
      const { votes, proposals } = record;
      const total = votes.on_time + votes.late + votes.missed;
      return [
        { text: local ? `${index} ●` : index, title: `${local ? "This node signs for it. " : ""}${pubkey}` },
        percent(votes.on_time, total), { text: number(votes.late), class: votes.late ? "warn" : "soft" },
        { text: number(votes.missed), class: votes.missed ? "bad" : "soft" }, number(votes.included),
        { text: proposals.missed ? `${proposals.done} of ${proposals.done + proposals.missed}` : number(proposals.done), class: proposals.missed ? "bad" : "" },
        number(last?.slot),
      ];
    }));
  }

  summary() {
    const { records } = this;
    if (!records.length) return "";
    const sum = (of) => records.reduce((total, { record }) => total + of(record), 0);
    const [good, late, missed] = ["on_time", "late", "missed"].map((name) => sum((record) => record.votes[name]));
    return `${percent(good, good + late + missed)} of votes in time over ${plural(records[0].record.slots, "slot")}; ● this node's own`;
  }
}
