// One fake node: its view of the chain, and the methods and events of the interface for watchers.
import { serveNode } from "./server.js";

const JUSTIFICATION = 2 / 3;

function checkpoint(block) {
  return { root: block.root, slot: block.slot };
}

export class FakeNode {
  constructor(network, index, name, view) {
    this.network = network;
    this.index = index;
    this.name = name;
    this.view = view;
    this.seen = new Map(); // slot → votes in the order they came
    this.bySlot = new Map(); // slot → proposals with their time
    this.history = [];
    this.records = new Map();
    this.condition = null; // forced word of lean_syncing
    this.sync = null;
    this.started = Date.now();
  }

  get alive() {
    return Boolean(this.server?.listening);
  }

  async listen() {
    this.server = await serveNode(this, this.server?.port);
    this.started = Date.now();
  }

  /** Dies as a killed process does: every connection is cut off. */
  kill() {
    this.server.kill();
  }

  async close() {
    await this.server?.kill();
  }

  get locals() {
    const { validators } = this.network.options;
    const all = [];
    for (let v = this.index; v < validators; v += this.network.nodes.length) all.push(v);
    return all;
  }

  emit(topic, at, members) {
    if (this.alive) this.server.publish(topic, { topic, at: Math.round(at), ...members });
  }

  voteData(slot) {
    const { view } = this;
    const target = view.ancestor(view.head, Math.max(view.justified.slot, view.safe.slot)) ?? view.justified;
    return { slot, head: checkpoint(view.head), target: checkpoint(target), source: checkpoint(view.justified) };
  }

  receiveBlock(block, at, own, past) {
    const { view } = this;
    view.add(block);
    view.vote(block.proposer, block.slot, block.root);
    this.record(block.proposer).proposals.done += 1;
    if (!past) {
      this.emit("block", at, {
        slot: block.slot, block: block.root, parent_root: block.parent, proposer_index: block.proposer,
        attestations: block.attestations, origin: own ? "own" : "gossip",
      });
    }
    // A block that builds on the head is the new head until votes say otherwise.
    if (block.parent === view.head.root) this.setHead(block, block.slot, at, past);
  }

  setHead(block, slot, at, past) {
    const { view } = this;
    const old = view.head;
    if (old === block) return;
    view.head = block;
    if (past) return;
    if (!view.isAncestor(old, block)) {
      let depth = 0;
      for (let b = old; b && !view.isAncestor(b, block); b = view.blocks.get(b.parent)) depth += 1;
      this.emit("reorg", at, { slot, depth, old_head: checkpoint(old), new_head: checkpoint(block) });
    }
    this.emit("head", at, { slot: block.slot, block: block.root, state: null, parent_root: block.parent });
  }

  receiveVote(validator, data, at, own, past) {
    if (!this.seen.has(data.slot)) this.seen.set(data.slot, []);
    if (this.seen.size > 33) this.seen.delete(this.seen.keys().next().value);
    this.seen.get(data.slot).push({ validator_id: validator, at: Math.round(at), ...data });
    this.view.vote(validator, data.slot, data.head.root);
    const record = this.record(validator);
    const late = at - this.network.slotStart(data.slot) >= this.network.slotMs / 2;
    record.votes[late ? "late" : "on_time"] += 1;
    record.votes.included += late ? 0 : 1;
    record.last = { slot: data.slot, head: data.head, at: Math.round(at) };
    if (!past) this.emit("attestation", at, { validator_id: validator, data, origin: own ? "own" : "gossip" });
  }

  record(validator) {
    if (!this.records.has(validator)) {
      this.records.set(validator, {
        votes: { on_time: 0, late: 0, missed: 0, included: 0 }, proposals: { done: 0, missed: 0 }, last: null,
      });
    }
    return this.records.get(validator);
  }

  updateSafe(slot, at, past) {
    const { view } = this;
    const safe = view.chooseHead(Math.ceil(this.network.options.validators * JUSTIFICATION));
    if (safe === view.safe) return;
    view.safe = safe;
    if (!past) this.emit("safe_target", at, checkpointEvent(safe));
  }

  updateHead(slot, at, past) {
    this.setHead(this.view.chooseHead(), slot, at, past);
  }

  /** t = ¾: votes decide the head, and what two thirds stand behind is justified and finalized. */
  count(slot, at, past) {
    const { view, network } = this;
    this.updateHead(slot, at, past);
    const voted = (this.seen.get(slot) ?? []).filter((vote) => vote.at - network.slotStart(slot) < network.slotMs * 0.75);
    for (const v of Array(network.options.validators).keys()) {
      if (v % 97 === 13 && slot % 11 === 0) this.record(v).votes.missed += 1;
    }
    if (voted.length + 1 >= network.options.validators * JUSTIFICATION) {
      const justified = view.ancestor(view.head, slot - 2) ?? view.justified;
      const finalized = view.ancestor(view.head, slot - 3) ?? view.finalized;
      if (justified.slot > view.justified.slot) {
        view.justified = justified;
        if (!past) this.emit("justified", at, checkpointEvent(justified));
      }
      if (finalized.slot > view.finalized.slot) {
        view.finalized = finalized;
        this.history.push({ ...checkpoint(finalized), at: slot });
        if (this.history.length > 600) this.history.shift();
        if (!past) this.emit("finalized", at, checkpointEvent(finalized));
      }
    }
    if (past) return;
    this.emit("slot", at, {
      slot, head: checkpoint(view.head), safe_target: checkpoint(view.safe), justified: checkpoint(view.justified),
      finalized: checkpoint(view.finalized), peers: this.peers().length, state: this.syncing().state,
    });
    for (const peer of this.peers()) if (this.network.random() < 0.3) this.emit("peer", at, { event: "updated", peer });
  }

  proposalDuty(slot, proposer, start, empty) {
    if (!this.alive || this.network.owner(proposer) !== this.index) return;
    const delay = Math.round(this.network.random() * 60);
    this.emit("duty", start + delay, { kind: "proposal", slot, validators: [proposer], outcome: empty ? "missed" : "done", delay_ms: delay });
  }

  attestationDuty(slot, proposer) {
    if (!this.alive) return;
    const delay = Math.round(2 + this.network.random() * 25);
    const late = this.network.random() < 0.04;
    const at = this.network.slotStart(slot) + this.network.slotMs / 4 + delay;
    const validators = this.locals.filter((v) => v !== proposer);
    this.emit("duty", at, { kind: "attestation", slot, validators, outcome: late ? "late" : "done", delay_ms: late ? 1400 : delay });
  }

  setCondition(state, sync = {}) {
    this.condition = state;
    this.sync = sync;
    this.emit("sync", Date.now(), this.syncing());
  }

  syncing() {
    const current = this.network.currentSlot();
    const head = this.view.head.slot;
    const state = this.condition ?? "synced";
    return {
      syncing: state === "syncing", state, head_slot: head, current_slot: current, target_slot: current,
      distance: current - head, slots_per_second: null, seconds_left: null, ...this.sync,
    };
  }

  peers() {
    const { network } = this;
    return network.groupOf(this.index).filter((i) => i !== this.index && network.nodes[i].alive).map((i) => {
      const peer = network.nodes[i];
      const agent = network.options.agents[i] ?? "quartet/0.1.0";
      return {
        peer_id: `16Uiu2HAm${"abcdefghijkmnopq"[i % 16].repeat(35)}`, address: `/ip4/127.0.0.1/udp/${9000 + i}/quic-v1`,
        direction: i > this.index ? "outbound" : "inbound", agent, client: agent.split("/")[0],
        head: checkpoint(peer.view.head), finalized: checkpoint(peer.view.finalized),
        latency_ms: 0.4 + ((i * 37 + this.index) % 7) / 3, points: i * 3, bytes_in: 1.3e6 * (i + 1) + Date.now() % 1e6,
        bytes_out: 2.1e6 * (i + 1), connected_seconds: Math.round((Date.now() - peer.started) / 1000) + 3600,
      };
    });
  }

  info() {
    return {
      name: this.name, client: "quartet", version: "0.1.0", commit: "a4fafc1", peer_id: `16Uiu2HAm${"z".repeat(35)}`,
      enr: null, addresses: [`/ip4/127.0.0.1/udp/${9000 + this.index}/quic-v1`],
      uptime_seconds: Math.round((Date.now() - this.started) / 1000), validators: this.locals,
    };
  }

  validator(index) {
    const record = this.record(index);
    return {
      index, pubkey: "0x" + index.toString(16).padStart(4, "0").repeat(26), local: this.network.owner(index) === this.index,
      record: { slots: this.network.currentSlot() - this.network.options.firstSlot, votes: record.votes, proposals: record.proposals },
      last_vote: record.last,
    };
  }

  canonical(slot) {
    const block = this.view.ancestor(this.view.head, slot);
    return block?.slot === slot ? block : null;
  }

  find(id) {
    const { view } = this;
    if (typeof id === "number") return this.canonical(id);
    return { head: view.head, justified: view.justified, finalized: view.finalized }[id] ?? view.blocks.get(id);
  }

  block(id) {
    const block = this.find(id);
    if (!block) return null;
    const parent = this.view.blocks.get(block.parent);
    const data = {
      slot: block.slot - 1, head: parent ? checkpoint(parent) : null, target: checkpoint(parent ?? block), source: checkpoint(parent ?? block),
    };
    const attestations = [];
    for (let v = 0; v < block.attestations; v++) attestations.push({ validator_id: v, data });
    return {
      root: block.root,
      block: {
        slot: block.slot, proposer_index: block.proposer, parent_root: block.parent, state_root: "0x" + block.root.slice(2).split("").reverse().join(""),
        body: { attestations },
      },
      proposer_attestation: { validator_id: block.proposer, data: { ...data, slot: block.slot, head: checkpoint(block) } },
      signatures: attestations.length + 1,
    };
  }

  forkChoice() {
    const { view } = this;
    const weights = view.weights();
    const nodes = [...view.blocks.values()]
      .filter((block) => block.slot >= view.finalized.slot)
      .slice(-1024)
      .map((block) => ({
        root: block.root, slot: block.slot, parent_root: block.parent, proposer_index: block.proposer, weight: weights.get(block.root) ?? 0,
      }));
    return {
      nodes, head: view.head.root, justified: checkpoint(view.justified), finalized: checkpoint(view.finalized),
      safe_target: view.safe.root, validator_count: this.network.options.validators,
    };
  }

  metrics() {
    const gauges = {
      quartet_recent_states_bytes: 18.2e6, quartet_recent_blocks_bytes: 3.4e6, quartet_unwritten_blocks_bytes: 0,
      quartet_parked_attestations: 0, quartet_parked_blocks: 1, quartet_processor_queue_length: 0, quartet_fork_choice_blocks: 6,
      quartet_received_response_bytes: 0, quartet_served_bytes_under_way: 0, quartet_http_answer_bytes: 2048, quartet_http_connections: 3,
      quartet_gossip_unjudged: 0, process_resident_memory_bytes: 61.4e6, process_open_fds: 41, process_max_fds: 1024, quartet_disk_free_bytes: 61e9, quartet_disk_size_bytes: 250e9, process_threads: 9,
      process_cpu_seconds_total: (Date.now() - this.started) / 20000,
    };
    return Object.entries(gauges).map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`).join("");
  }

  call(method, params) {
    const { view, network } = this;
    const first = Array.isArray(params) ? params[0] : Object.values(params ?? {})[0];
    switch (method) {
      case "lean_head": return checkpoint(view.head);
      case "lean_finality": return { justified: checkpoint(view.justified), finalized: checkpoint(view.finalized) };
      case "lean_finality_history":
        return this.history.filter((entry) => entry.at >= first && entry.at < first + Math.min(params[1], 64));
      case "lean_syncing": return this.syncing();
      case "lean_peers": { const peers = this.peers(); return { count: peers.length, peers }; }
      case "lean_block": return this.block(first);
      case "lean_blocks": {
        const found = [];
        for (let slot = first; slot < first + Math.min(params[1], 64); slot++) {
          const block = this.canonical(slot);
          if (block) found.push(this.block(block.root));
        }
        return found;
      }
      case "lean_node_info": return this.info();
      case "lean_genesis":
        return {
          genesis_time: network.genesisMs / 1000, genesis_root: network.genesis.root,
          validator_count: network.options.validators, slot_duration_ms: network.slotMs,
        };
      case "lean_validators": return Array.from({ length: network.options.validators }, (_, index) => this.validator(index));
      case "lean_validator": return this.validator(first);
      case "lean_votes": return { slot: first, votes: this.seen.get(first) ?? [] };
      case "lean_fork_choice": return this.forkChoice();
      case "lean_equivocations": return { total: 0, equivocations: [] };
      default: return undefined;
    }
  }
}

function checkpointEvent(block) {
  return { slot: block.slot, block: block.root, state: null };
}
