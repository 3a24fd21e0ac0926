// The validators' records since the node runs.
import { el, setText } from "./dom.js";
import { TablePanel } from "./panel.js";
import { number, percent, plural } from "./format.js";

const PAGE = 16;
/** Slots between two questions: the answer has all validators. */
const EVERY = 4;
const ORDERS = {
	"by number": (a, b) => a.index - b.index,
	"worst first": (a, b) => faults(b) - faults(a) || a.index - b.index,
	"own first": (a, b) => b.local - a.local || a.index - b.index,
};

function faults({ record: { votes, proposals } }) {
	return votes.missed * 2 + votes.late + proposals.missed * 4;
}

export class ValidatorsPanel extends TablePanel {
	constructor() {
		super("validators", "Validators", ["No.", "In time", "Late", "Missed", "In blocks", "Blocks", "Last vote"]);
		const button = (by, name) => el("button.button", { type: "button", onclick: () => this.turn(by) }, name);
		[this.back, this.forth] = [button(-1, "Previous"), button(1, "Next")];
		this.order = el("select.button", { "aria-label": "Order of validators", onchange: () => this.turn(-this.page) }, ...Object.keys(ORDERS).map((name) => el("option", name)));
		this.where = el("span.soft");
		this.body.append(el("div.pager", this.order, this.where, this.back, this.forth));
		new IntersectionObserver(([entry]) => {
			this.visible = entry.isIntersecting;
			if (this.node) this.refresh(this.node);
		}).observe(this.section);
	}

	/** Only while they are on the screen. */
	async refresh(node) {
		const slot = node.clock.slot();
		const due = this.node !== node || slot >= this.asked + EVERY || slot < this.asked;
		this.node = node;
		if (node.link !== "up" || !this.visible || !due || this.asking) return;
		[this.asked, this.asking] = [slot, true];
		const records = await node.feed.call("lean_validators").catch(() => null);
		this.asking = false;
		if (this.node !== node) return;
		this.failed = !records;
		this.records = records ?? this.records;
		this.turn(0);
	}

	forget() {
		[this.records, this.asked, this.page, this.failed] = [[], -Infinity, 0, false];
		this.turn(0);
	}

	turn(by) {
		const sorted = [...this.records].sort(ORDERS[this.order.value]);
		const last = Math.max(0, Math.ceil(sorted.length / PAGE) - 1);
		this.page = Math.max(0, Math.min(this.page + by, last));
		this.back.disabled = this.page === 0;
		this.forth.disabled = this.page === last;
		setText(this.where, `${this.page + 1} of ${number(last + 1)}`);
		this.say(summary(this.records));
		this.show(sorted.slice(this.page * PAGE, (this.page + 1) * PAGE).map(row), this.failed ? "This node does not tell validators' records." : "Asking for the records…");
	}
}

function row({ index, local, pubkey, record: { votes, proposals }, last_vote: last }) {
	const fault = (count, tone) => ({ text: number(count), class: count ? tone : "soft" });
	const blocks = proposals.missed ? `${proposals.done} of ${proposals.done + proposals.missed}` : number(proposals.done);
	return [
		{ text: local ? `${index} ●` : index, title: `${local ? "This node signs for it. " : ""}${pubkey}` },
		percent(votes.on_time, votes.on_time + votes.late + votes.missed), fault(votes.late, "warn"), fault(votes.missed, "bad"), number(votes.included),
		{ text: blocks, class: proposals.missed ? "bad" : null }, number(last?.slot),
	];
}

function summary(records) {
	if (!records.length) return "";
	const [good, late, missed] = ["on_time", "late", "missed"].map((kind) => records.reduce((sum, { record }) => sum + record.votes[kind], 0));
	return `${percent(good, good + late + missed)} of votes in time over ${plural(records[0].record.slots, "slot")}; ● this node's own`;
}
