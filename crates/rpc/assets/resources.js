// What the node holds: memory, queues, database, read from `/metrics`.
import { setRows } from "./dom.js";
import { Panel, tableIn } from "./panel.js";
import { bytes, duration, number } from "./format.js";

const EVERY = 5000;
const TIME = 4000;
/** Name of the metric, what it is, and how it is written. Those that a node does not have are left out. */
const SHOWN = [
  ["process_resident_memory_bytes", "Resident memory", bytes],
  ["process_cpu_seconds_total", "Processor time", duration],
  ["process_open_fds", "Open files and sockets", number],
  ["quartet_database_bytes", "Database", bytes],
  ["quartet_disk_free_bytes", "Free on its disk", bytes],
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

export class ResourcesPanel {
  constructor() {
    this.panel = new Panel("What the node holds", { name: "resources" });
    this.table = tableIn(this.panel, ["What", "Now"], "What the node holds");
    this.at = -Infinity;
    this.values = null;
    this.table.state("Asking for the metrics…");
  }

  forget() {
    [this.at, this.values] = [-Infinity, null];
    this.table.state("Asking for the metrics…");
  }

  async refresh(node) {
    if (node.link !== "up" || this.asking || performance.now() - this.at < EVERY) return;
    this.asking = true;
    this.at = performance.now();
    try {
      const answer = await fetch(new URL("metrics", new URL(node.url, location.href)), { signal: AbortSignal.timeout(TIME) });
      this.values = answer.ok ? parse(await answer.text()) : null;
    } catch {
      this.values = null;
    } finally {
      this.asking = false;
      this.render();
    }
  }

  render() {
    const { values } = this;
    this.table.state(values ? "" : "Its metrics cannot be read from this page: open the node's own page, or allow this one with the node's CORS flag.");
    if (!values) return;
    setRows(this.table.body, SHOWN.filter(([name]) => values.has(name)).map(([name, what, format]) => [
      { text: what, title: name }, format(values.get(name)),
    ]));
  }
}

/** Values by name; of a family with labels, the sum. */
export function parse(text) {
  const values = new Map();
  const wanted = new Set(SHOWN.map(([name]) => name));
  for (const line of text.split("\n")) {
    const name = /^[a-z_]+/.exec(line)?.[0];
    if (!wanted.has(name)) continue;
    const value = Number(line.slice(line.lastIndexOf(" ") + 1));
    if (Number.isFinite(value)) values.set(name, (values.get(name) ?? 0) + value);
  }
  return values;
}
