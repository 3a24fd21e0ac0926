// One node in full.
import { el, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { Hero } from "./hero.js";
import { TreeView } from "./tree.js";
import { BlockDetails } from "./details.js";
import { Strip, summary } from "./strip.js";
import { Seats } from "./seats.js";
import { Waterfall } from "./waterfall.js";
import { FinalityChart } from "./finality.js";
import { ValidatorsPanel } from "./validators.js";
import { PeersPanel } from "./peers.js";
import { DutiesPanel } from "./duties.js";
import { ResourcesPanel } from "./resources.js";
import { LogPanel } from "./log.js";
import { modelOf } from "./marks.js";
import { shortRoot, within } from "./format.js";

const LEGEND = [["block", "block, with its proposer's vote"], ["good", "in time"], ["other", "for another head"], ["late", "late"], ["none", "not seen yet"], ["missed", "missed"]];

export class OneNode {
  constructor() {
    this.hero = new Hero();
    const tree = new Panel("Block tree", { name: "chain" });
    const body = el("div", { class: "tree-host" });
    tree.body.append(body);
    this.details = new BlockDetails(tree.body);
    this.tree = new TreeView(body, { label: "Block tree; arrow keys move between blocks", right: 60, pick: (root) => this.details.show(this.node, root) });
    this.treePanel = tree;
    this.votesPanel = this.votes();
    const lag = new Panel("Finality lag", { name: "lagging", note: "slots behind the clock" });
    lag.body.append(el("p", { class: "legend" }, el("span", { class: "finalized" }, "finalized"), el("span", { class: "justified" }, "justified"), el("span", { class: "healthy" }, "healthy: 3")));
    this.finality = new FinalityChart(lag.body);
    this.tables = { validators: new ValidatorsPanel(), peers: new PeersPanel(), duties: new DutiesPanel(), log: new LogPanel(), resources: new ResourcesPanel() };
    const { validators, peers, duties, log, resources } = this.tables;
    this.root = el("div", { class: "one" }, this.hero.root, tree.section, this.votesPanel.section, lag.section,
      duties.panel.section, validators.panel.section, peers.panel.section, resources.panel.section, log.panel.section);
  }

  votes() {
    const panel = new Panel("Votes", { name: "votes" });
    const strip = el("div", { class: "strip-host" });
    const seats = el("div", { class: "seats-host" });
    this.pointed = el("p", { class: "words" });
    panel.body.append(
      el("p", { class: "legend" }, ...LEGEND.map(([kind, text]) => el("span", { class: `vote-${kind}` }, text))),
      el("div", { class: "votes-now" }, strip, seats), this.pointed);
    [this.strip, this.seats] = [new Strip(strip), new Seats(seats)];
    this.strip.hover = this.seats.hover = (validator) => this.point(validator);
    const past = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Votes of the last slots" });
    this.waterfall = new Waterfall(past, (slot) => {
      this.chosen = slot;
      this.node.changed("votes");
    });
    panel.body.append(past);
    return panel;
  }

  /** Shows a node; what was drawn of another goes. */
  show(node) {
    if (this.node === node) return;
    this.node?.show(false);
    this.node = node;
    this.chosen = null;
    this.pointedAt = null;
    this.tables.validators.forget();
    this.tables.resources.forget();
    this.details.known.clear();
    this.details.show(node, null);
    node.show(true);
    this.draw(new Set(["status", "info", "chain", "votes", "finality", "peers", "duties", "log", "sync"]));
  }

  leave() {
    this.node?.show(false);
    this.node = null;
  }

  draw(parts) {
    const { node } = this;
    if (parts.has("chain") || parts.has("info")) {
      this.tree.render(modelOf(node));
      this.details.update();
    }
    if (parts.has("finality")) this.finality.render(node.history);
    if (parts.has("peers") || parts.has("status")) this.tables.peers.render(node);
    if (parts.has("duties") || parts.has("info")) this.tables.duties.render(node);
    if (parts.has("log")) this.tables.log.render(node.log);
    if (parts.has("votes") || parts.has("info")) this.drawVotes();
  }

  /** Ten times a second: what depends on the time alone. */
  tick(slotChanged) {
    const { node } = this;
    this.hero.render(node);
    if (slotChanged) {
      this.draw(new Set(["chain", "duties"]));
      this.tables.validators.refresh(node);
    }
    this.tree.tick(node.clock.part());
    this.drawVotes();
    this.tables.resources.refresh(node);
  }

  drawVotes() {
    const { node } = this;
    const now = node.clock.now();
    const current = node.clock.known ? Math.max(0, node.clock.slot()) : 0;
    if (this.chosen !== null && !node.slots.has(this.chosen)) this.chosen = null;
    const slot = this.chosen ?? current;
    const record = node.slots.get(slot) ?? null;
    // The strip changes with every moment of its own slot, and else only with what has come.
    const state = `${slot} ${record?.seen} ${record?.blocks} ${slot === current ? Math.floor(node.clock.part(now) * 40) : now - record?.start > 2 * record?.slotMs} ${this.strip.canvas.clientWidth} ${node.validators} ${this.theme}`;
    if (this.drawn !== state) {
      this.drawn = state;
      this.strip.render(record, now, node.validators);
      this.seats.render(record, now, node.validators, node.local);
      this.votesPanel.say(`${this.chosen === null ? "slot" : "kept on slot"} ${slot}`);
      this.point(this.pointedAt);
    }
    this.waterfall.render(node.slots, current, now, this.chosen);
  }

  point(validator) {
    this.pointedAt = validator;
    const { node } = this;
    const slot = this.chosen ?? node?.clock.slot();
    const record = node?.slots.get(slot);
    if (!record) {
      setText(this.pointed, node?.link === "down" ? "The node does not answer." : "Nothing of this slot has come yet.");
      return;
    }
    if (validator === null || validator === undefined) {
      setText(this.pointed, summary(record, node.clock.now()));
      return;
    }
    const time = record.times[validator];
    const kind = record.kind(validator, node.clock.now());
    const head = record.roots[record.heads[validator]];
    const words = { none: "not seen yet", missed: "missed", late: "late, ", other: "for another head than most, ", block: "in its own block, ", good: "in time, " }[kind];
    const rest = Number.isNaN(time) ? "" : time < 0 ? "before this page watched" : `${within(time)} into the slot, for head ${shortRoot(head)}`;
    setText(this.pointed, `Validator ${validator}${node.local?.has(validator) ? " (this node's)" : ""}: ${words}${rest}`);
  }

  /** The theme has changed: pictures are drawn anew. */
  repaint(theme) {
    this.theme = theme;
    if (this.node) this.draw(new Set(["finality", "votes", "chain"]));
  }
}
