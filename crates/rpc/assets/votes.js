// The votes of one slot: when each validator's came, and for which head.

/** Heads told apart in one slot; votes for further ones count as "another". */
const MOST_HEADS = 15;

export class SlotVotes {
  constructor(slot, start, slotMs, validators) {
    this.slot = slot;
    this.start = start;
    this.slotMs = slotMs;
    /** Milliseconds into the slot by validator; NaN while nothing has come. */
    this.times = new Float64Array(validators).fill(NaN);
    this.heads = new Uint8Array(validators);
    this.roots = [];
    this.seen = 0;
    this.late = 0;
    this.proposer = null;
    /** Milliseconds into the slot; null while there is no block, or when its arrival was not watched. */
    this.blockAt = null;
    this.blockRoot = null;
    this.blocks = 0;
  }

  get validators() {
    return this.times.length;
  }

  block({ block: root, proposer_index: proposer, at }) {
    this.blocks += 1;
    if (this.blockAt !== null) return;
    this.proposer = proposer;
    this.blockAt = at - this.start;
    this.blockRoot = root;
    // A proposer's vote travels in its block.
    this.put(proposer, this.blockAt, { root });
  }

  /** The slot has this block, but when it came was not watched. */
  unwatched({ root, proposer }) {
    if (this.proposer !== null) return;
    [this.proposer, this.blockRoot] = [proposer, root];
    this.put(proposer, -1, { root });
  }

  vote(validator, at, head) {
    this.put(validator, at - this.start, head);
  }

  put(validator, time, head) {
    if (!(validator < this.times.length) || !Number.isNaN(this.times[validator])) return;
    this.times[validator] = time;
    this.heads[validator] = this.headNumber(head?.root);
    this.seen += 1;
    if (this.isLate(validator)) this.late += 1;
  }

  headNumber(root) {
    const known = this.roots.indexOf(root);
    if (known >= 0) return known;
    if (this.roots.length < MOST_HEADS) return this.roots.push(root) - 1;
    return MOST_HEADS;
  }

  /** Seen at t = ½ or later, when votes are not waited for any more. The proposer's comes with the block. */
  isLate(validator) {
    return this.times[validator] >= this.slotMs / 2;
  }

  /** The head that most votes name. */
  get favourite() {
    const counts = new Array(MOST_HEADS + 1).fill(0);
    this.times.forEach((time, v) => Number.isNaN(time) || (counts[this.heads[v]] += 1));
    return counts.indexOf(Math.max(...counts));
  }

  /** `"none"`, `"missed"` (one slot later), `"late"`, `"other"` (for another head than most), `"block"` or `"good"`. */
  kind(validator, now, favourite = this.favourite) {
    if (Number.isNaN(this.times[validator])) return now - this.start > 2 * this.slotMs ? "missed" : "none";
    if (this.isLate(validator)) return "late";
    if (validator === this.proposer) return "block";
    return this.heads[validator] === favourite ? "good" : "other";
  }
}
