// Who the node is connected to.
import { TablePanel } from "./panel.js";
import { bytes, duration, number, plural, tame, within } from "./format.js";

const SHOWN = 64;
/** `LIMIT` in the node's conduct.rs. */
const SENT_AWAY = 40;

export class PeersPanel extends TablePanel {
	constructor() {
		super("peers", "Peers", ["Client", "Direction", "Head", "Finalized", "Latency", "Points", "In", "Out", "For", "Address"]);
	}

	render({ link, peers }) {
		const down = link === "down";
		const sorted = [...peers.values()].sort((a, b) => (a.peer_id < b.peer_id ? -1 : 1));
		this.say(down ? "" : plural(peers.size, "connection"));
		this.show(sorted.slice(0, SHOWN).map((peer) => [
			{ text: tame(peer.client ?? peer.agent ?? "not told", 24), title: `${tame(peer.agent, 96)} ${peer.peer_id}` },
			{ text: peer.direction === "inbound" ? "← in" : "→ out", title: peer.direction },
			number(peer.head?.slot), number(peer.finalized?.slot), within(peer.latency_ms),
			{ text: Number.isFinite(peer.points) ? `${number(peer.points)} of ${SENT_AWAY}` : "–", class: peer.points > 0 ? "bad" : null, title: "points against it" },
			bytes(peer.bytes_in), bytes(peer.bytes_out), duration(peer.connected_seconds),
			{ text: tame(peer.address, 64), class: "mono" },
		]), down ? "Not known: the node does not answer." : "No peers: the node is alone.");
	}
}
