// The block that is pointed at: what `lean_block` tells of it.
import { el, setText } from "./dom.js";
import { number, plural, shortRoot, some, within } from "./format.js";

const WAIT = 120;
const KEPT = 32;

export class BlockDetails {
  constructor(host) {
    this.known = new Map();
    this.title = el("h3");
    this.list = el("dl");
    host.append(el("div", { class: "details" }, this.title, this.list));
  }

  /** Shows a block of a node; without `root`, its head. */
  show(node, root) {
    clearTimeout(this.timer);
    [this.node, this.pinned] = [node, root];
    this.render();
    const wanted = this.wanted;
    if (!wanted || this.known.has(wanted) || node.link !== "up") return;
    this.timer = setTimeout(async () => {
      try {
        const block = await node.feed.call("lean_block", [wanted]);
        this.known.set(wanted, block && digest(block));
      } catch {
        return;
      }
      if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
      if (this.wanted === wanted) this.render();
    }, WAIT);
  }

  get wanted() {
    return this.pinned ?? this.node?.head?.root;
  }

  /** The model has changed. */
  update() {
    if (!this.node) return;
    if (this.pinned && !this.node.chain.blocks.has(this.pinned)) this.pinned = null;
    if (this.wanted !== this.shown) this.show(this.node, this.pinned);
    else this.render();
  }

  render() {
    const { node, wanted } = this;
    const block = node.chain.blocks.get(wanted);
    this.shown = wanted;
    setText(this.title, block ? `${this.pinned ? "Block" : "Head"} in slot ${number(block.slot)}` : "No block yet");
    const rows = block ? describe(node, block, this.known.get(wanted)) : [];
    while (this.list.children.length > rows.length) this.list.lastChild.remove();
    rows.forEach(([name, text, title, mono], i) => {
      const row = this.list.children[i] ?? this.list.appendChild(el("div", {}, el("dt"), el("dd")));
      setText(row.firstChild, name);
      setText(row.lastChild, text);
      row.lastChild.title = title ?? "";
      row.lastChild.className = mono ? "mono" : "";
    });
  }
}

function describe(node, block, more) {
  const { chain, clock, validators } = node;
  const rows = [
    ["Root", shortRoot(block.root), block.root, true],
    ["Parent", shortRoot(block.parent), block.parent, true],
    ["Proposer", `${number(block.proposer)}${node.local?.has(block.proposer) ? ", own" : ""}`],
    ["Weight", block.weight === undefined ? (block.slot > chain.finalized?.slot ? "not counted yet" : "not counted any more") : `${number(block.weight)} of ${number(validators)}`],
    ["Chain", chain.isCanonical(block) ? standing(chain, block) : "on a branch"],
  ];
  if (block.at && clock.known) {
    const where = { own: ", its own", sync: ", from sync", gossip: "" }[block.origin] ?? "";
    const time = block.origin === "sync" ? "fetched later" : `${within(block.at - clock.start(block.slot))} into the slot`;
    rows.push(["Arrived", `${time}${where}`]);
  }
  if (more) {
    rows.push(["State", shortRoot(more.state), more.state, true]);
    rows.push(["Carries", more.votes ? more.groups : "none"]);
    rows.push(["Signatures", number(more.signatures)]);
  } else if (more === null) {
    rows.push(["Body", "not kept by the node"]);
  }
  return rows;
}

function standing({ finalized, justified }, block) {
  if (block.slot <= finalized?.slot) return "finalized";
  return block.slot <= justified?.slot ? "justified" : "on the head's chain";
}

/** What is kept of a block: a body of a thousand votes is summed up. */
function digest({ block, signatures }) {
  const groups = new Map();
  for (const { data } of block.body.attestations) groups.set(data.slot, (groups.get(data.slot) ?? 0) + 1);
  const slots = [...groups].sort((a, b) => b[0] - a[0]).map(([slot, count]) => `${plural(count, "vote")} of slot ${slot}`);
  return { state: block.state_root, signatures, votes: block.body.attestations.length, groups: some(slots, 2) };
}
