// The condition in large, and the numbers one looks for from across the room.
import { el, setText } from "./dom.js";
import { Verdict, condition } from "./condition.js";
import { number, plural, shortRoot } from "./format.js";

const FACTS = { head: "Head", safe_target: "Safe target", justified: "Justified", finalized: "Finalized", votes: "Votes this slot", peers: "Peers" };

export class Hero {
	facts = {};

	constructor() {
		this.name = el("p.who");
		this.verdict = new Verdict("h1");
		this.bar = el("progress", { max: 100, "aria-label": "Sync" });
		this.state = el("div.state", this.name, this.verdict.word, this.verdict.text, this.bar);
		const list = el("dl.facts", ...Object.entries(FACTS).map(([key, label]) => {
			const [value, small] = (this.facts[key] = [el("dd.value"), el("dd.small")]);
			return el(`div.${key}`, el("dt", label), value, small);
		}));
		this.root = el("section.hero", { "aria-label": "Condition" }, this.state, list);
	}

	render(node) {
		const { info, link, sync } = node;
		this.verdict.show(this.state, condition(node));
		const build = info?.commit ? ` (${String(info.commit).slice(0, 8)})` : "";
		setText(this.name, `${node.name || "This node"}${info ? ` · ${info.client} ${info.version}${build}` : ""}`);
		this.bar.hidden = !(link === "up" && sync?.state === "syncing" && sync.target_slot > 0);
		if (!this.bar.hidden) this.bar.value = (100 * sync.head_slot) / sync.target_slot;
		this.root.classList.toggle("stale", link === "down");
		this.numbers(node);
	}

	numbers({ chain, clock, link, slots, validators, peers, peerCount }) {
		const { head } = chain;
		this.put("head", head?.slot, head && shortRoot(head.root));
		for (const mark of ["safe_target", "justified", "finalized"]) this.put(mark, chain[mark]?.slot, behind(head, chain[mark]));
		const votes = clock.known ? slots.get(clock.current) : null;
		const late = votes?.late ? `, ${number(votes.late)} late` : "";
		this.put("votes", votes?.seen, validators ? `of ${number(validators)}${late}` : "");
		this.facts.votes[1].classList.toggle("bad", Boolean(late));
		const inward = [...peers.values()].filter((peer) => peer.direction === "inbound").length;
		const count = link === "up" ? peers.size || (peerCount ?? 0) : undefined;
		this.put("peers", count, count === undefined ? "not known" : count === 0 ? "alone" : peers.size ? `${inward} in, ${peers.size - inward} out` : "");
	}

	put(key, value, small) {
		setText(this.facts[key][0], number(value));
		setText(this.facts[key][1], small || "");
	}
}

function behind(head, point) {
	if (!head || !point) return "";
	const by = head.slot - point.slot;
	return by > 0 ? `${plural(by, "slot")} behind` : by === 0 ? "at the head" : "ahead of the head";
}
