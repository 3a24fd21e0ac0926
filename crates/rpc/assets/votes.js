// One slot's votes: when each came, and for which head.
import { number, within } from "./format.js";

/** Votes for further heads count as "another". */
const MOST_HEADS = 15;

export class SlotVotes {
	roots = [];
	seen = 0;
	late = 0;
	blocks = 0;
	proposer = null;
	/** Milliseconds into the slot; null without a block, or when nobody watched. */
	blockAt = null;

	constructor(slot, start, slotMs, validators) {
		Object.assign(this, { slot, start, slotMs, validators });
		/** Milliseconds into the slot; NaN: nothing has come; negative: nobody watched. */
		this.times = new Float64Array(validators).fill(NaN);
		this.heads = new Uint8Array(validators);
	}

	block({ block: root, proposer_index: proposer, at }) {
		this.blocks += 1;
		if (this.blockAt !== null) return;
		this.proposer = proposer;
		this.blockAt = at - this.start;
		// A proposer's vote travels in its block.
		this.put(proposer, this.blockAt, root);
	}

	/** When this block came was not watched. */
	unwatched({ root, proposer }) {
		if (this.proposer !== null) return;
		this.proposer = proposer;
		this.put(proposer, -1, root);
	}

	vote(validator, at, head) {
		this.put(validator, at - this.start, head?.root);
	}

	put(validator, time, root) {
		if (!(validator < this.validators) || this.came(validator)) return;
		this.times[validator] = time;
		let head = this.roots.indexOf(root);
		if (head < 0) head = this.roots.length < MOST_HEADS ? this.roots.push(root) - 1 : MOST_HEADS;
		this.heads[validator] = head;
		this.seen += 1;
		if (this.isLate(validator)) this.late += 1;
	}

	came(validator) {
		return !Number.isNaN(this.times[validator]);
	}

	/** From t = ½ on, votes are not waited for. */
	isLate(validator) {
		return this.times[validator] >= this.slotMs / 2;
	}

	get blockLate() {
		return this.blockAt !== null && this.blockAt >= this.slotMs / 4;
	}

	/** What has not come by now is missed. */
	isOver(now) {
		return now - this.start > 2 * this.slotMs;
	}

	get favourite() {
		const counts = new Array(MOST_HEADS + 1).fill(0);
		this.heads.forEach((head, v) => this.came(v) && (counts[head] += 1));
		return counts.indexOf(Math.max(...counts));
	}

	/** A key of `TONES`; `other` is for another head than most. */
	kind(validator, now, favourite = this.favourite) {
		if (!this.came(validator)) return this.isOver(now) ? "missed" : "none";
		if (this.isLate(validator)) return "late";
		if (validator === this.proposer) return "block";
		return this.heads[validator] === favourite ? "good" : "other";
	}

	summary(now) {
		const { seen, validators, blockAt } = this;
		const block = blockAt !== null ? `block after ${within(blockAt)}` : this.proposer === null ? "no block" : "its block came before this page watched";
		const rest = `${number(validators - seen)} ${this.isOver(now) ? "missed" : "not seen yet"}`;
		return `Slot ${this.slot}: ${block}, ${number(seen)} of ${number(validators)} votes, ${number(this.late)} late, ${rest}`;
	}
}

/** Colours by kind. */
export const TONES = { good: "vote", block: "head", other: "warn", late: "bad", missed: "bad", none: "soft" };
