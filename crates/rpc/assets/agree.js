// Whether nodes see the same chain: heads on one chain agree, however far apart; heads on two branches do not.
import { groupBy } from "./marks.js";

/** Heads on different branches for a shorter time are messages on their way, not a partition. */
const PATIENCE_SLOTS = 1;
const OLD_SLOTS = 2;

/** Looks for a block's ancestor in what any of the nodes knows. */
function ancestor(nodes, root, slot) {
  let at = find(nodes, root);
  while (at && at.slot > slot) at = find(nodes, at.parent);
  return at;
}

function find(nodes, root) {
  for (const node of nodes) {
    const block = node.chain.blocks.get(root);
    if (block) return block;
  }
  return null;
}

/** Whether two points cannot both be on one chain. What is not known is no conflict. */
function conflict(nodes, a, b) {
  if (a.root === b.root) return false;
  const [older, newer] = a.slot <= b.slot ? [a, b] : [b, a];
  if (older.slot === newer.slot) return true;
  const at = ancestor(nodes, newer.root, older.slot);
  return at ? at.root !== older.root : false;
}

/** Groups of nodes whose points are on one chain, the largest first. */
function parties(nodes, point) {
  const groups = [];
  const byRoot = [...groupBy(nodes.filter((node) => point(node)), (node) => point(node).root).values()];
  byRoot.sort((a, b) => point(b[0]).slot - point(a[0]).slot);
  for (const same of byRoot) {
    const party = groups.find((group) => !conflict(nodes, group.tip, point(same[0])));
    if (party) party.nodes.push(...same);
    else groups.push({ tip: point(same[0]), nodes: [...same] });
  }
  return groups.sort((a, b) => b.nodes.length - a.nodes.length || b.tip.slot - a.tip.slot);
}

/** Whether two branches have been apart for longer than messages are on their way. */
function isOld(nodes, a, b) {
  const slot = Math.min(a.slot, b.slot) - OLD_SLOTS;
  const [left, right] = [ancestor(nodes, a.root, slot), ancestor(nodes, b.root, slot)];
  return Boolean(left && right && left.root !== right.root);
}

export class Agreement {
  constructor() {
    this.partedSince = null;
  }

  /** `heads` and `finalized`: groups that agree; `parted`: whether heads have differed for a slot. */
  look(nodes) {
    const up = nodes.filter((node) => node.link === "up");
    const heads = parties(up, (node) => node.head);
    const finalized = parties(up, (node) => node.chain.finalized);
    const slot = Math.max(0, ...up.map((node) => (node.clock.known ? node.clock.slot() : 0)));
    if (heads.length < 2) this.partedSince = null;
    else this.partedSince ??= slot;
    const parted = heads.length > 1 && (slot - this.partedSince >= PATIENCE_SLOTS || isOld(up, heads[0].tip, heads[1].tip));
    return { heads, finalized, parted, broken: finalized.length > 1, since: this.partedSince, up: up.length };
  }
}
