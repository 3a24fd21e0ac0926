// The blocks that a node has told of, with their weights and the four marks.

const KEPT_SLOTS = 160;
const MOST_BLOCKS = 2048;

export class Chain {
  constructor() {
    this.blocks = new Map();
    this.head = null;
    this.safe = null;
    this.justified = null;
    this.finalized = null;
  }

  /** A block event. */
  add({ block: root, slot, parent_root: parent, proposer_index: proposer, attestations, origin, at }) {
    const known = this.blocks.get(root);
    this.blocks.set(root, { ...known, root, slot, parent, proposer, attestations, origin, at: known?.at ?? at });
    if (this.blocks.size > MOST_BLOCKS) this.prune();
  }

  /** A block from before the tree: its weight is not told any more. */
  past(block) {
    if (!this.blocks.has(block.root)) this.blocks.set(block.root, block);
  }

  /** The answer of `lean_fork_choice`. */
  take({ nodes, head, justified, finalized, safe_target: safe }) {
    for (const { root, slot, parent_root: parent, proposer_index: proposer, weight } of nodes) {
      this.blocks.set(root, { ...this.blocks.get(root), root, slot, parent, proposer, weight });
    }
    this.marks({ head: this.point(head), safe: this.point(safe), justified, finalized });
    this.prune();
  }

  point(root) {
    const block = this.blocks.get(root);
    return block ? { root, slot: block.slot } : null;
  }

  marks({ head, safe, justified, finalized }) {
    this.head = head ?? this.head;
    this.safe = safe ?? this.safe;
    this.justified = justified ?? this.justified;
    this.finalized = finalized ?? this.finalized;
  }

  inSlot(slot) {
    for (const block of this.blocks.values()) if (block.slot === slot && this.isCanonical(block)) return block;
    return null;
  }

  /** The block of this slot or before it on the way down from `from`; null where that is not known. */
  ancestor(from, slot) {
    let at = this.blocks.get(from);
    while (at && at.slot > slot) at = this.blocks.get(at.parent);
    return at ?? null;
  }

  isCanonical(block) {
    return this.head !== null && this.ancestor(this.head.root, block.slot)?.root === block.root;
  }

  /** Roots of the head's chain. */
  canonical() {
    const roots = new Set();
    for (let at = this.blocks.get(this.head?.root); at; at = this.blocks.get(at.parent)) roots.add(at.root);
    return roots;
  }

  prune() {
    const newest = this.head?.slot ?? 0;
    for (const [root, block] of this.blocks) if (block.slot < newest - KEPT_SLOTS) this.blocks.delete(root);
    if (this.blocks.size <= MOST_BLOCKS) return;
    const oldest = [...this.blocks.values()].sort((a, b) => a.slot - b.slot).slice(0, this.blocks.size - MOST_BLOCKS);
    for (const { root } of oldest) this.blocks.delete(root);
  }
}
