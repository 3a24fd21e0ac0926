// The chain that the fake nodes share: all blocks ever proposed, and what each node has seen of them.
import { createHash } from "node:crypto";

/** Blocks kept; older ones are forgotten. */
const KEPT_SLOTS = 400;

export function rootOf(...parts) {
  return "0x" + createHash("sha256").update(parts.join("/")).digest("hex");
}

/** Pseudo-random numbers in [0, 1) that are the same in each run. */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What one node knows: blocks, the latest vote of each validator, and its checkpoints. */
export class View {
  constructor(genesis, validators) {
    this.validators = validators;
    this.blocks = new Map([[genesis.root, genesis]]);
    this.votes = new Map();
    this.genesis = genesis;
    this.head = genesis;
    this.safe = genesis;
    this.justified = genesis;
    this.finalized = genesis;
    this.history = [];
  }

  add(block) {
    this.blocks.set(block.root, block);
    if (this.blocks.size > KEPT_SLOTS) this.forget();
  }

  forget() {
    for (const [root, block] of this.blocks) {
      if (block.slot < this.finalized.slot) this.blocks.delete(root);
      if (this.blocks.size <= KEPT_SLOTS) return;
    }
  }

  vote(validator, slot, root) {
    const known = this.votes.get(validator);
    if (!known || known.slot < slot) this.votes.set(validator, { slot, root });
  }

  /** Weight of every block: votes for it and its descendants. */
  weights() {
    const weights = new Map();
    const direct = new Map();
    for (const { root } of this.votes.values()) direct.set(root, (direct.get(root) ?? 0) + 1);
    for (const [root, count] of direct) {
      for (let at = this.blocks.get(root); at; at = this.blocks.get(at.parent)) {
        weights.set(at.root, (weights.get(at.root) ?? 0) + count);
      }
    }
    return weights;
  }

  /** The heaviest leaf from the justified block on, ties by root. */
  chooseHead(minimum = 0) {
    const weights = this.weights();
    const children = new Map();
    for (const block of this.blocks.values()) {
      if (!children.has(block.parent)) children.set(block.parent, []);
      children.get(block.parent).push(block);
    }
    let at = this.justified;
    for (;;) {
      const next = (children.get(at.root) ?? [])
        .filter((block) => (weights.get(block.root) ?? 0) >= minimum)
        .sort((a, b) => (weights.get(b.root) ?? 0) - (weights.get(a.root) ?? 0) || (a.root < b.root ? 1 : -1))[0];
      if (!next) return at;
      at = next;
    }
  }

  ancestor(block, slot) {
    let at = block;
    while (at && at.slot > slot) at = this.blocks.get(at.parent);
    return at;
  }

  isAncestor(older, newer) {
    return this.ancestor(newer, older.slot) === older;
  }
}
