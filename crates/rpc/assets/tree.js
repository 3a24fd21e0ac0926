// The block tree as it grows: one column per slot, forks in lanes of their own, weights as filling, marks as flags.
import { el, svg, setAttribute, setText, setRows } from "./dom.js";
import { layout } from "./layout.js";
import { number, shortRoot } from "./format.js";

const COLUMN = 46;
const TILE = 28;
const FLAG = 19;
const AXIS = 24;
/** Slots after which positions count from a new zero, so that they stay exact. */
const REBASE = 512;

export class TreeView {
  /** `right`: room for the names of heads; `pick(root)` is called with the block that is pointed at, or null. */
  constructor(host, { label, right, pick }) {
    this.host = host;
    this.right = right;
    this.pick = pick;
    this.items = new Map();
    this.focused = null;
    this.now = svg("g", { class: "now" }, svg("rect", { class: "now-band", width: COLUMN, rx: 4 }), svg("rect", { class: "now-line", width: 2 }));
    this.layers = Object.fromEntries(["axis", "edges", "flags", "blocks"].map((name) => [name, svg("g", { class: name })]));
    this.world = svg("g", { class: "world" }, this.now, ...Object.values(this.layers));
    this.svg = svg("svg", { class: "tree", role: "group", "aria-label": label, width: "100%" }, this.world);
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("pointerleave", () => this.pick(null));
    this.empty = el("p", { class: "empty" }, "No blocks yet.");
    this.more = el("p", { class: "more", hidden: true });
    this.table = el("tbody");
    this.details = el("details", { class: "alternative" },
      el("summary", {}, "The tree as a table"),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The tree as a table" },
        el("table", {},
          el("thead", {}, el("tr", {}, ...["Slot", "Block", "Parent", "Proposer", "Weight", "Marks"].map((name) => el("th", { scope: "col" }, name)))),
          this.table)));
    host.append(this.empty, this.svg, this.more, this.details);
    this.details.addEventListener("toggle", () => this.writeTable());
  }

  /**
   * `model`: {blocks, validators, main, marks: [{kind, root, slot, label, tone?}], finalizedSlot, justifiedSlot, current, part}.
   */
  render(model) {
    this.model = model;
    const width = this.host.clientWidth;
    if (!width) return;
    this.empty.hidden = model.blocks.size > 0;
    this.svg.toggleAttribute("hidden", model.blocks.size === 0);
    const newest = Math.max(0, ...[...model.blocks.values()].map((block) => block.slot));
    const right = Math.min(this.right, width * 0.27);
    const columns = Math.max(3, Math.floor((width - right) / COLUMN));
    // Follow the clock as long as the chain does; a node far behind shows its own end.
    const last = model.current - newest < columns - 4 && model.current >= newest ? model.current : newest + 1;
    const first = last - columns + 1;
    const base = Math.floor(first / REBASE) * REBASE;
    const placed = layout(model.blocks, model.main, first, last);
    const flags = model.marks.filter((mark) => mark.kind !== "head");
    this.top = Math.max(3, flags.length) * FLAG + 10;
    const lanes = Math.max(3, placed.high - placed.low + 1);
    const step = Math.max(34, Math.min(60, 216 / lanes));
    const low = Math.min(placed.low, -Math.floor((lanes - 1) / 2));
    this.place = {
      base, first, last, ...placed, step,
      x: (slot) => (slot - base) * COLUMN + COLUMN / 2,
      y: (lane) => this.top + (lane - low) * step + TILE / 2 + 4,
    };
    this.bottom = this.top + (lanes - 1) * step + TILE + 22;
    setAttribute(this.svg, "height", this.bottom + AXIS);
    this.world.classList.toggle("jump", this.base !== base || this.width !== width);
    [this.base, this.width] = [base, width];
    this.world.style.transform = `translateX(${(base - first) * COLUMN + width - right - columns * COLUMN}px)`;
    this.axis();
    this.blocks();
    this.flags(flags);
    this.tick(model.part);
    setText(this.more, placed.hidden ? `${number(placed.hidden)} more branches are not drawn` : "");
    this.more.hidden = !placed.hidden;
    if (this.details.open) this.writeTable();
  }

  /** Moves the clock's line within the current slot. */
  tick(part) {
    if (!this.place) return;
    const { x, last } = this.place;
    const current = this.model.current;
    this.now.toggleAttribute("hidden", current !== last);
    this.now.style.transform = `translateX(${x(current) - COLUMN / 2}px)`;
    const [band, line] = this.now.children;
    setAttribute(band, "y", this.top - 4);
    setAttribute(band, "height", this.bottom - this.top + 4);
    setAttribute(line, "y", this.bottom - 2);
    setAttribute(line, "x", 0);
    setAttribute(line, "width", Math.max(0, Math.min(1, part)) * COLUMN);
    setAttribute(line, "height", 2);
  }

  axis() {
    const { first, last, x, y } = this.place;
    const digits = String(last).length;
    const every = digits * 7 + 6 > COLUMN ? 2 : 1;
    const filled = new Set([...this.model.blocks.values()].map((block) => block.slot));
    const wanted = new Map();
    for (let slot = Math.max(0, first); slot <= last; slot++) {
      if ((last - slot) % every === 0 || slot % every === 0) wanted.set(`s${slot}`, slot);
      if (!filled.has(slot) && slot < this.model.current && slot > this.oldest()) wanted.set(`e${slot}`, slot);
    }
    this.keyed(this.layers.axis, wanted, (key, slot) =>
      key[0] === "s"
        ? svg("text", { class: "slot", "text-anchor": "middle" }, every > 1 && slot % every ? "" : slot)
        : svg("g", { class: "gap" }, svg("rect", { x: -7, y: -7, width: 14, height: 14, rx: 4 }), svg("title", {}, `slot ${slot}: no block`)),
    (node, key, slot) => {
      if (key[0] === "s") {
        setAttribute(node, "x", x(slot));
        setAttribute(node, "y", this.bottom + 16);
        node.classList.toggle("current", slot === this.model.current);
      } else node.style.transform = `translate(${x(slot)}px, ${y(0)}px)`;
    });
  }

  oldest() {
    let oldest = Infinity;
    for (const block of this.model.blocks.values()) oldest = Math.min(oldest, block.slot);
    return oldest;
  }

  blocks() {
    const { model, place } = this;
    const wanted = new Map();
    for (const root of place.lanes.keys()) wanted.set(root, model.blocks.get(root));
    const canonical = model.canonical;
    const heads = new Set(model.marks.filter((mark) => mark.kind === "head").map((mark) => mark.root));
    this.keyed(this.layers.edges, wanted, () => svg("path", { class: "edge" }), (path, root, block) => {
      setAttribute(path, "d", this.edge(block));
      path.classList.toggle("fork", !canonical.has(root));
    });
    this.keyed(this.layers.blocks, wanted, (root) => this.tile(root), (tile, root, block) => {
      tile.style.transform = `translate(${place.x(block.slot)}px, ${place.y(place.lanes.get(root))}px)`;
      const finalized = canonical.has(root) && block.slot <= model.finalizedSlot;
      const justified = canonical.has(root) && block.slot <= model.justifiedSlot;
      const share = finalized && !block.weight ? 1 : Math.min(1, (block.weight ?? 0) / Math.max(1, model.validators));
      const state = finalized ? "finalized" : justified ? "justified" : canonical.has(root) ? "chain" : "fork";
      setAttribute(tile, "class", `block ${state}${heads.has(root) ? " head" : ""}`);
      const [, fill, , proposer, weight] = tile.children;
      fill.style.clipPath = `inset(${(TILE * (1 - share)).toFixed(1)}px 0 0 0) fill-box`;
      setText(proposer, block.proposer ?? "");
      proposer.classList.toggle("long", String(block.proposer).length > 3);
      setText(weight, block.weight === undefined || place.step < 48 ? "" : number(block.weight));
      setAttribute(tile, "aria-label", this.describe(block, state));
    });
    if (!wanted.has(this.focused)) this.focused = null;
    const tab = this.focused ?? (wanted.has(model.main) ? model.main : wanted.keys().next().value);
    for (const [root, tile] of this.layers.blocks.items ?? []) setAttribute(tile, "tabindex", root === tab ? 0 : -1);
  }

  tile(root) {
    const half = TILE / 2;
    const tile = svg("g", { role: "img", tabindex: -1, "data-root": root },
      svg("rect", { class: "back", x: -half, y: -half, width: TILE, height: TILE, rx: 7 }),
      svg("rect", { class: "fill", x: -half, y: -half, width: TILE, height: TILE, rx: 7 }),
      svg("rect", { class: "rim", x: -half, y: -half, width: TILE, height: TILE, rx: 7 }),
      svg("text", { class: "proposer", "text-anchor": "middle", y: 4 }),
      svg("text", { class: "weight", "text-anchor": "middle", y: half + 12 }));
    const show = () => {
      this.focused = root;
      this.pick(root);
    };
    tile.addEventListener("pointerenter", show);
    tile.addEventListener("focus", show);
    tile.addEventListener("click", () => tile.focus());
    return tile;
  }

  describe(block, state) {
    const marks = this.model.marks.filter((mark) => mark.root === block.root).map((mark) => mark.label);
    const weight = block.weight === undefined ? "" : `, weight ${block.weight} of ${this.model.validators}`;
    const what = { finalized: "finalized", justified: "justified", chain: "on the head's chain", fork: "on a branch" }[state];
    return `Slot ${block.slot}, block ${shortRoot(block.root)}, proposer ${block.proposer}${weight}, ${what}${marks.length ? `; ${marks.join(", ")}` : ""}`;
  }

  edge(block) {
    const { x, y, lanes, first } = this.place;
    const parent = this.model.blocks.get(block.parent);
    const [x1, y1] = [x(block.slot) - TILE / 2, y(lanes.get(block.root))];
    if (!parent || parent.slot < first || !lanes.has(parent.root)) return parent ? `M${x1 - COLUMN} ${y1}L${x1} ${y1}` : `M${x1 - 8} ${y1}L${x1} ${y1}`;
    const [x0, y0] = [x(parent.slot) + TILE / 2, y(lanes.get(parent.root))];
    const bend = x0 + COLUMN - TILE;
    return y0 === y1 ? `M${x0} ${y0}L${x1} ${y1}` : `M${x0} ${y0}C${bend} ${y0} ${x0} ${y1} ${bend} ${y1}L${x1} ${y1}`;
  }

  /** Flags on poles: each in a row of its own, the newest on top, so that no pole crosses a flag. Heads are named beside their tile. */
  flags(flags) {
    const { place, model } = this;
    const wanted = new Map();
    const shown = flags.filter((mark) => place.lanes.has(mark.root)).sort((a, b) => b.slot - a.slot || b.order - a.order);
    shown.forEach((mark, row) => wanted.set(`${mark.kind} ${mark.label}`, { ...mark, row }));
    for (const mark of model.marks) if (mark.kind === "head" && place.lanes.has(mark.root)) wanted.set(`head ${mark.label}`, mark);
    this.keyed(this.layers.flags, wanted, () => svg("g", {}, svg("line"), svg("rect", { rx: 4 }), svg("text")), (group, _, mark) => {
      const [pole, rect, text] = group.children;
      setAttribute(group, "class", `flag ${mark.kind}`);
      setText(text, mark.label);
      // Measured once per text: measuring lays out.
      if (group.measured !== mark.label) [group.measured, group.size] = [mark.label, text.getComputedTextLength() + 12];
      const width = group.size;
      const x = place.x(mark.slot);
      // At the left edge a flag flies to the right.
      const left = mark.kind !== "head" && (mark.slot - place.first + 0.5) * COLUMN < width;
      const y = place.y(place.lanes.get(mark.root));
      const beside = mark.kind === "head";
      group.style.transform = beside ? `translate(${x + TILE / 2 + 7}px, ${y - 8}px)` : `translate(${left ? x - 1 : x - width + 1}px, ${mark.row * FLAG + 1}px)`;
      setAttribute(rect, "width", width);
      setAttribute(rect, "height", 16);
      setAttribute(text, "x", 6);
      setAttribute(text, "y", 12);
      setAttribute(pole, "x1", left ? 1 : width - 1);
      setAttribute(pole, "x2", left ? 1 : width - 1);
      setAttribute(pole, "y1", 4);
      setAttribute(pole, "y2", beside ? 4 : y - TILE / 2 - mark.row * FLAG - 2);
    });
  }

  /** Brings a layer's children in line with what is wanted, by key, so that what stays moves and keeps its focus. */
  keyed(layer, wanted, make, update) {
    layer.items ??= new Map();
    for (const [key, node] of layer.items) {
      if (wanted.has(key)) continue;
      node.remove();
      layer.items.delete(key);
    }
    for (const [key, value] of wanted) {
      let node = layer.items.get(key);
      if (!node) {
        node = make(key, value);
        layer.items.set(key, node);
        layer.append(node);
        // What is new appears in its place instead of flying there.
        node.style.transition = "none";
        requestAnimationFrame(() => (node.style.transition = ""));
      }
      update(node, key, value);
    }
  }

  key(event) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-Infinity, 0], End: [Infinity, 0] }[event.key];
    const from = this.model?.blocks.get(document.activeElement?.dataset?.root);
    if (!direction || !from) return;
    event.preventDefault();
    const next = this.neighbour(from, direction);
    if (next) this.layers.blocks.items.get(next.root).focus();
  }

  neighbour(from, [dx, dy]) {
    const { lanes } = this.place;
    const all = [...lanes.keys()].map((root) => this.model.blocks.get(root));
    if (Math.abs(dx) === Infinity) return all.reduce((a, b) => ((b.slot - a.slot) * dx > 0 ? b : a));
    if (dx < 0) return all.find((block) => block.root === from.parent);
    if (dx > 0) {
      const children = all.filter((block) => block.parent === from.root);
      return children.sort((a, b) => Math.abs(lanes.get(a.root)) - Math.abs(lanes.get(b.root)))[0];
    }
    const lane = lanes.get(from.root);
    const beside = all.filter((block) => (lanes.get(block.root) - lane) * dy > 0);
    return beside.sort((a, b) => Math.abs(a.slot - from.slot) - Math.abs(b.slot - from.slot))[0];
  }

  writeTable() {
    const { model } = this;
    if (!this.details.open || !model) return;
    const blocks = [...model.blocks.values()].sort((a, b) => b.slot - a.slot).slice(0, 64);
    setRows(this.table, blocks.map((block) => [
      number(block.slot), { text: shortRoot(block.root), title: block.root, class: "mono" }, { text: shortRoot(block.parent), title: block.parent, class: "mono" },
      block.proposer, block.weight === undefined ? "–" : number(block.weight),
      model.marks.filter((mark) => mark.root === block.root).map((mark) => mark.label).join(", ") || (model.canonical.has(block.root) ? "" : "branch"),
    ]));
  }
}
