// One node in full.
import { el, outdated, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { Hero } from "./hero.js";
import { TreeView } from "./tree.js";
import { BlockDetails } from "./details.js";
import { Strip } from "./strip.js";
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

const VOTES = { block: "block, with its proposer's vote", good: "in time", other: "for another head", late: "late", none: "not seen yet", missed: "missed" };
const LAG = { finalized: "finalized", justified: "justified", healthy: "healthy: 3" };

const legend = (entries) => el("p.legend", ...Object.entries(entries).map(([kind, text]) => el(`span.${kind}`, text)));

export class OneNode {
	constructor() {
		this.hero = new Hero();
		const chain = new Panel("chain", "Block tree");
		const host = el("div");
		chain.body.append(host);
		this.details = new BlockDetails(chain.body);
		this.tree = new TreeView(host, { label: "Block tree; arrow keys move between blocks", right: 60, pick: (root) => this.details.show(this.node, root) });
		this.votes = this.votesPanel();
		const lag = new Panel("lagging", "Finality lag", "slots behind the clock");
		lag.body.append(legend(LAG));
		this.finality = new FinalityChart(lag.body);
		[this.validators, this.resources] = [new ValidatorsPanel(), new ResourcesPanel()];
		this.tables = { duties: new DutiesPanel(), peers: new PeersPanel(), log: new LogPanel() };
		const { duties, peers, log } = this.tables;
		const panels = [chain, this.votes, lag, duties, this.validators, peers, this.resources, log];
		this.root = el("div.one", this.hero.root, ...panels.map((panel) => panel.section));
	}

	votesPanel() {
		const panel = new Panel("votes", "Votes");
		const [strip, seats] = [el("div"), el("div.seats-host")];
		const point = (validator) => this.point(validator);
		[this.strip, this.seats] = [new Strip(strip, point), new Seats(seats, point)];
		this.pointed = el("p.words");
		this.waterfall = new Waterfall((slot) => {
			this.chosen = slot;
			this.drawVotes();
		});
		panel.body.append(legend(VOTES), el("div.votes-now", strip, seats), this.pointed, this.waterfall.box);
		return panel;
	}

	/** Shows a node; what was drawn of another goes. */
	show(node) {
		if (this.node === node) return;
		this.leave();
		this.node = node;
		this.chosen = this.pointedAt = null;
		this.validators.forget();
		this.resources.forget();
		this.details.show(node, null);
		node.show(true);
		this.draw();
	}

	leave() {
		this.node?.show(false);
		this.node = null;
	}

	draw() {
		this.tree.render(modelOf([this.node]));
		this.details.update();
		this.fresh = true;
	}

	/** What depends on the time, and the tables where something has come. */
	tick(slotChanged) {
		const { node } = this;
		this.hero.render(node);
		if (slotChanged) this.draw();
		if (this.fresh) {
			this.finality.render(node.history);
			for (const table of Object.values(this.tables)) table.render(node);
		}
		this.fresh = false;
		this.tree.tick(node.clock.part());
		this.drawVotes();
		this.validators.refresh(node);
		this.resources.refresh(node);
	}

	get record() {
		return this.node.slots.get(this.chosen ?? this.node.clock.current);
	}

	drawVotes() {
		const { clock, local, slots, validators } = this.node;
		const now = clock.now();
		if (!slots.has(this.chosen)) this.chosen = null;
		const { record } = this;
		// It changes with every moment of its own slot, else with what has come.
		const slot = this.chosen ?? clock.current;
		const moment = slot === clock.current ? Math.floor(clock.part() * 40) : record.isOver(now);
		if (outdated(this.strip.canvas, slot, record?.seen, record?.blocks, moment, validators)) {
			this.strip.render(record, now, validators);
			this.seats.render(record, now, validators, local);
			this.votes.say(`${this.chosen === null ? "slot" : "kept on slot"} ${slot}`);
			this.point(this.pointedAt);
		}
		this.waterfall.render(slots, clock.current, now, this.chosen);
	}

	/** Tells of a validator's vote; without one, of all. */
	point(validator) {
		this.pointedAt = validator;
		if (!this.node) return;
		const { node, record } = this;
		const nothing = node.link === "down" ? "The node does not answer." : "Nothing of this slot has come yet.";
		const now = node.clock.now();
		setText(this.pointed, !record ? nothing : validator === null ? record.summary(now) : this.vote(record, validator, now));
	}

	vote(record, validator, now) {
		const time = record.times[validator];
		const came = time < 0 ? "before this page watched" : `${within(time)} into the slot, for head ${shortRoot(record.roots[record.heads[validator]])}`;
		const own = this.node.local?.has(validator) ? " (this node's)" : "";
		return `Validator ${validator}${own}: ${VOTES[record.kind(validator, now)]}${record.came(validator) ? `, ${came}` : ""}`;
	}
}
