// What the tree shows of one node, or of several together.
import { number } from "./format.js";

const ORDER = { finalized: 0, justified: 1, safe: 2 };
const LABELS = { finalized: "finalized", justified: "justified", safe: "safe target" };

/** The model of one node for `TreeView.render`. */
export function modelOf(node) {
  const { chain } = node;
  const marks = [];
  for (const kind of ["finalized", "justified", "safe"]) {
    const point = chain[kind];
    if (point) marks.push({ kind, ...point, label: LABELS[kind], order: ORDER[kind] });
  }
  if (chain.head) marks.push({ kind: "head", ...chain.head, label: "head" });
  return { ...frame(node, chain.blocks), main: chain.head?.root, marks, canonical: chain.canonical(), finalizedSlot: chain.finalized?.slot ?? -1, justifiedSlot: chain.justified?.slot ?? -1 };
}

function frame(node, blocks) {
  const { clock } = node;
  return { blocks, validators: node.validators, current: clock.known ? Math.max(0, clock.slot()) : (node.head?.slot ?? 0), part: clock.part() };
}

/** One tree of all nodes' blocks; each mark says which nodes see it there. */
export function modelOfAll(nodes, { heads }) {
  const up = nodes.filter((node) => node.link === "up" && node.head);
  const blocks = new Map();
  for (const node of up) {
    for (const [root, block] of node.chain.blocks) {
      const known = blocks.get(root);
      // A node that heard of fewer votes shows less weight; the largest is nearest to what has been cast.
      if (!known || (block.weight ?? -1) > (known.weight ?? -1)) blocks.set(root, block);
    }
  }
  const first = heads[0]?.nodes[0] ?? up[0];
  if (!first) return null;
  const marks = [];
  for (const kind of ["finalized", "justified"]) {
    const groups = groupBy(up.filter((node) => node.chain[kind]), (node) => node.chain[kind].root);
    for (const [root, of] of groups) {
      const label = groups.size === 1 ? LABELS[kind] : `${LABELS[kind]}: ${names(of)}`;
      marks.push({ kind, root, slot: of[0].chain[kind].slot, label, order: ORDER[kind] });
    }
  }
  const seen = groupBy(up, (node) => node.head.root);
  for (const [root, of] of seen) {
    const label = seen.size === 1 && of.length === nodes.length ? `head of all ${number(of.length)}` : `head: ${names(of)}`;
    marks.push({ kind: "head", root, slot: of[0].head.slot, label });
  }
  const { chain } = first;
  return { ...frame(first, blocks), main: chain.head.root, marks, canonical: chain.canonical(), finalizedSlot: chain.finalized?.slot ?? -1, justifiedSlot: chain.justified?.slot ?? -1 };
}

export function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    const at = key(item);
    if (groups.has(at)) groups.get(at).push(item);
    else groups.set(at, [item]);
  }
  return groups;
}

/** Names without what all of a devnet's share: `0, 2` of `quartet_0`, `quartet_2`. */
export function names(nodes) {
  if (nodes.length > 3) return `${nodes.length} nodes`;
  return nodes.map((node) => node.name.replace(/^quartet_/, "")).join(", ");
}
