// Memory, queues, database: read from `/metrics`.
import { TablePanel } from "./panel.js";
import { bytes, duration, number } from "./format.js";

const EVERY = 5000;
const TIME = 4000;
/** A metric, what it is, its form, its limit's metric. What a node does not have is left out. */
const SHOWN = [
	["process_resident_memory_bytes", "Resident memory", bytes],
	["process_cpu_seconds_total", "Processor time", duration],
	["process_open_fds", "Open files and sockets", number, "process_max_fds"],
	["quartet_database_bytes", "Database", bytes],
	["quartet_disk_free_bytes", "Free on its disk", bytes, "quartet_disk_size_bytes"],
	["quartet_recent_states_bytes", "Recent states", bytes],
	["quartet_recent_blocks_bytes", "Recent blocks", bytes],
	["quartet_unwritten_blocks_bytes", "Blocks waiting for the disk", bytes],
	["quartet_fork_choice_blocks", "Blocks in the tree", number],
	["quartet_parked_blocks", "Blocks waiting for a parent", number],
	["quartet_parked_attestations", "Votes waiting for a block", number],
	["quartet_processor_queue_length", "Work waiting for the processor", number],
	["quartet_gossip_unjudged", "Gossip waiting for a verdict", number],
	["quartet_gossip_unjudged_bytes", "Memory of it", bytes],
	["quartet_network_outbox_bytes", "Messages not sent yet", bytes],
	["quartet_received_response_bytes", "Peers' answers not taken over", bytes],
	["quartet_served_bytes_under_way", "Answers peers have not taken", bytes],
	["quartet_http_connections", "HTTP connections", number],
	["quartet_http_answer_bytes", "HTTP answers not taken", bytes],
];
const WANTED = new Set(SHOWN.flatMap(([name, , , limit]) => [name, limit]));

export class ResourcesPanel extends TablePanel {
	constructor() {
		super("resources", "What the node holds", ["What", "Now", "Of"]);
	}

	forget() {
		this.at = -Infinity;
		this.show([], "Asking for the metrics…");
	}

	async refresh(node) {
		if (node.link !== "up" || this.asking || performance.now() - this.at < EVERY) return;
		this.asking = true;
		this.at = performance.now();
		let values = new Map();
		try {
			const answer = await fetch(new URL("metrics", new URL(node.url, location.href)), { signal: AbortSignal.timeout(TIME) });
			if (answer.ok) values = parse(await answer.text());
		} catch {
			// Said below.
		}
		this.asking = false;
		this.show(SHOWN.filter(([name]) => values.has(name)).map(([name, what, format, limit]) => [
			{ text: what, title: name }, format(values.get(name)), values.has(limit) ? format(values.get(limit)) : "",
		]), "Its metrics cannot be read from this page: open the node's own page, or allow this one with the node's CORS flag.");
	}
}

/** Of a family with labels, the sum. */
function parse(text) {
	const values = new Map();
	for (const line of text.split("\n")) {
		const name = /^[a-z_]*/.exec(line)[0];
		const value = Number(line.slice(line.lastIndexOf(" ") + 1));
		if (WANTED.has(name) && Number.isFinite(value)) values.set(name, (values.get(name) ?? 0) + value);
	}
	return values;
}
