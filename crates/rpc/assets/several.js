// Several nodes side by side, and where they disagree.
import { el, setAttribute, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { TreeView } from "./tree.js";
import { FinalityChart } from "./finality.js";
import { condition } from "./condition.js";
import { modelOfAll } from "./marks.js";
import { number, plural, shortRoot } from "./format.js";

export class SeveralNodes {
  constructor() {
    this.word = el("h1", { class: "word" });
    this.why = el("p", { class: "why" });
    this.state = el("section", { class: "state wide", "aria-label": "Agreement" }, this.word, this.why);
    const tree = new Panel("What the nodes see", { name: "chain all", note: "all nodes' blocks in one tree" });
    this.host = el("div", { class: "tree-host" });
    tree.body.append(this.host);
    this.tree = new TreeView(this.host, { label: "Block tree of all nodes; arrow keys move between blocks", right: 130, pick: (root) => this.pick(root) });
    this.picked = el("p", { class: "words" });
    tree.body.append(this.picked);
    this.cards = el("ul", { class: "cards" });
    this.root = el("div", { class: "several" }, this.state, this.cards, tree.section);
  }

  draw(nodes, agreement) {
    const { heads, finalized } = agreement;
    const verdict = judge(nodes, agreement);
    setAttribute(this.state, "data-tone", verdict.tone);
    setText(this.word, verdict.word);
    setText(this.why, verdict.text);
    while (this.cards.children.length > nodes.length) this.cards.lastChild.remove();
    nodes.forEach((node, i) => {
      const card = this.cards.children[i] ?? this.cards.appendChild(makeCard());
      this.card(card, node, {
        side: agreement.parted ? heads.findIndex((group) => group.nodes.includes(node)) : -1,
        broken: agreement.broken && finalized.findIndex((group) => group.nodes.includes(node)) > 0,
      });
    });
    this.agreement = agreement;
  }

  drawTree(nodes) {
    const model = this.agreement && modelOfAll(nodes, this.agreement);
    this.model = model;
    if (model) this.tree.render(model);
  }

  tick(nodes) {
    const first = nodes.find((node) => node.link === "up" && node.clock.known);
    if (first) this.tree.tick(first.clock.part());
  }

  pick(root) {
    const block = this.model?.blocks.get(root);
    setText(this.picked, block ? this.tree.describe(block, this.model.canonical.has(root) ? "chain" : "fork") : "");
  }

  card(item, node, { side, broken }) {
    const now = condition(node);
    const { link, name, word, why, facts } = item.parts;
    setAttribute(link, "href", `#${encodeURIComponent(node.name)}`);
    setAttribute(item, "data-tone", now.tone);
    setAttribute(item, "data-side", side);
    setText(name, node.name || node.url);
    setText(word, now.word);
    setText(why, now.text);
    const { head, justified, finalized } = node.chain;
    this.fact(facts.head, head, side >= 0 ? `branch ${"ABCDEFGH"[side] ?? side + 1}` : "", side >= 0);
    this.fact(facts.justified, justified, "", false);
    this.fact(facts.finalized, finalized, broken ? "another chain" : "", broken);
    setText(facts.peers.value, node.link === "up" ? number(node.peerCount ?? NaN) : "–");
    item.classList.toggle("stale", node.link === "down");
    const state = `${node.history.at(-1)?.slot} ${node.history.length} ${item.clientWidth} ${document.documentElement.dataset.theme}`;
    if (item.drawn !== state) item.parts.lag.render(node.history);
    item.drawn = state;
  }

  fact({ row, value, root, tag }, point, words, differs) {
    setText(value, number(point?.slot ?? NaN));
    setText(root, point ? shortRoot(point.root) : "");
    root.title = point?.root ?? "";
    setText(tag, words);
    tag.hidden = !words;
    row.classList.toggle("differs", differs);
  }
}

function makeCard() {
  const parts = { name: el("span", { class: "name" }), word: el("p", { class: "word" }), why: el("p", { class: "why" }), facts: {} };
  parts.link = el("a", { class: "open" }, parts.name);
  const list = el("dl");
  for (const [key, label] of [["head", "Head"], ["justified", "Justified"], ["finalized", "Finalized"], ["peers", "Peers"]]) {
    const [value, root, tag] = [el("span", { class: "value" }), el("span", { class: "root mono" }), el("span", { class: "tag", hidden: true })];
    const row = el("div", { class: key }, el("dt", {}, label), el("dd", {}, value, tag, root));
    list.append(row);
    parts.facts[key] = { row, value, root, tag };
  }
  const chart = el("div", { class: "lag-host" });
  parts.lag = new FinalityChart(chart);
  const item = el("li", { class: "card" }, el("h2", {}, parts.link), parts.word, parts.why, list, chart);
  item.parts = parts;
  return item;
}

/** What is to be said of all nodes together. */
export function judge(nodes, { heads, parted, broken, up, since }) {
  const named = (group) => group.nodes.map((node) => node.name).join(", ");
  if (broken) return { tone: "bad", word: "Finality is split", text: "Nodes have finalized blocks of different chains. That must never happen: keep their data." };
  if (parted) {
    const sides = heads.map((group) => `${named(group)} at ${number(group.tip.slot)} ${shortRoot(group.tip.root)}`).join("; ");
    return { tone: "bad", word: `${number(heads.length)} heads`, text: `The nodes are on different branches, seen since slot ${number(since)}: ${sides}` };
  }
  const dead = nodes.filter((node) => node.link === "down");
  if (dead.length) {
    const who = dead.length > 4 ? plural(dead.length, "node") : dead.map((node) => node.name).join(", ");
    return { tone: "bad", word: `${number(up)} of ${number(nodes.length)} answer`, text: `${who} ${dead.length > 1 ? "do" : "does"} not answer.` };
  }
  const ill = nodes.filter((node) => condition(node).tone !== "good");
  if (ill.length) {
    return { tone: ill.some((node) => condition(node).tone === "bad") ? "bad" : "warn", word: "One chain", text: ill.slice(0, 4).map((node) => `${node.name}: ${condition(node).word.toLowerCase()}, ${condition(node).text}`).join("; ") };
  }
  return { tone: "good", word: `All ${number(nodes.length)} agree`, text: "One head, one finalized chain." };
}
