// Who the node is connected to.
import { setRows } from "./dom.js";
import { Panel, tableIn } from "./panel.js";
import { bytes, duration, number, plural, tame, within } from "./format.js";

const SHOWN = 64;

/** Nodes that count a peer's faults tell of points against it. */
function score({ score: told, points }) {
  return told ?? (points > 0 ? -points : points);
}

export class PeersPanel {
  constructor() {
    this.panel = new Panel("Peers", { name: "peers" });
    this.table = tableIn(this.panel, ["Client", "Direction", "Head", "Finalized", "Latency", "Score", "In", "Out", "For", "Address"], "Peers");
  }

  render(node) {
    const peers = [...node.peers.values()].sort((a, b) => (a.peer_id < b.peer_id ? -1 : 1));
    this.panel.say(node.link === "down" ? "" : plural(peers.length, "connection"));
    this.table.state(node.link === "down" ? "Not known: the node does not answer." : peers.length ? "" : "No peers: the node is alone.");
    setRows(this.table.body, peers.slice(0, SHOWN).map((peer) => [
      { text: tame(peer.client ?? peer.agent ?? "not told", 24), title: `${tame(peer.agent, 96)} ${peer.peer_id}` },
      { text: peer.direction === "inbound" ? "← in" : "→ out", title: peer.direction },
      number(peer.head?.slot), number(peer.finalized?.slot),
      Number.isFinite(peer.latency_ms) ? within(peer.latency_ms) : "–",
      { text: number(score(peer)), class: score(peer) < 0 ? "bad" : "" },
      bytes(peer.bytes_in), bytes(peer.bytes_out), duration(peer.connected_seconds),
      { text: tame(peer.address, 64), class: "mono left" },
    ]));
  }
}
