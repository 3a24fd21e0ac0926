// The first line: the condition in large, and the numbers one looks for from across the room.
import { el, setAttribute, setText } from "./dom.js";
import { condition } from "./condition.js";
import { number, plural, shortRoot } from "./format.js";

export class Hero {
  constructor() {
    this.name = el("p", { class: "who" });
    this.word = el("h1", { class: "word" });
    this.text = el("p", { class: "why" });
    this.bar = el("progress", { class: "sync", max: 100, hidden: true, "aria-label": "Sync" });
    this.state = el("div", { class: "state" }, this.name, this.word, this.text, this.bar);
    this.stats = {};
    this.facts = el("dl", { class: "facts" }, ...[
      ["head", "Head"], ["safe", "Safe target"], ["justified", "Justified"], ["finalized", "Finalized"], ["votes", "Votes this slot"], ["peers", "Peers"],
    ].map(([key, label]) => {
      const value = el("dd", { class: "value" });
      const small = el("dd", { class: "small" });
      this.stats[key] = [value, small];
      return el("div", { class: key }, el("dt", {}, label), value, small);
    }));
    this.root = el("section", { class: "hero", "aria-label": "Condition" }, this.state, this.facts);
  }

  render(node) {
    const now = condition(node);
    setAttribute(this.state, "data-tone", now.tone);
    setText(this.word, now.word);
    setText(this.text, now.text);
    const { info } = node;
    setText(this.name, [node.name || "This node", info && `${info.client} ${info.version}${info.commit ? ` (${String(info.commit).slice(0, 8)})` : ""}`].filter(Boolean).join(" · "));
    this.progress(node);
    this.root.classList.toggle("stale", node.link === "down");
    this.numbers(node);
    return now;
  }

  progress({ sync, link }) {
    const shown = link === "up" && sync?.state === "syncing" && sync.target_slot > 0;
    this.bar.hidden = !shown;
    if (shown) this.bar.value = (100 * sync.head_slot) / sync.target_slot;
  }

  numbers(node) {
    const { chain, clock } = node;
    const { head, safe, justified, finalized } = chain;
    const current = clock.known ? Math.max(0, clock.slot()) : null;
    this.put("head", head?.slot, head && shortRoot(head.root));
    this.put("safe", safe?.slot, behind(head, safe));
    this.put("justified", justified?.slot, behind(head, justified));
    this.put("finalized", finalized?.slot, behind(head, finalized));
    const votes = current === null ? null : node.slots.get(current);
    const [value, small] = this.stats.votes;
    setText(value, votes ? number(votes.seen) : "–");
    setText(small, votes?.late ? `of ${number(votes.validators)}, ${number(votes.late)} late` : node.validators ? `of ${number(node.validators)}` : "");
    small.classList.toggle("bad", votes?.late > 0);
    const peers = node.link === "up" ? node.peers.size || (node.peerCount ?? 0) : null;
    this.put("peers", peers, peers === null ? "not known" : peers === 0 ? "alone" : this.directions(node));
  }

  directions({ peers }) {
    const inward = [...peers.values()].filter((peer) => peer.direction === "inbound").length;
    return peers.size ? `${inward} in, ${peers.size - inward} out` : "";
  }

  put(key, value, small) {
    setText(this.stats[key][0], number(value ?? NaN));
    setText(this.stats[key][1], small || "");
  }
}

function behind(head, point) {
  if (!head || !point) return "";
  const by = head.slot - point.slot;
  return by > 0 ? `${plural(by, "slot")} behind` : by === 0 ? "at the head" : "ahead of the head";
}
