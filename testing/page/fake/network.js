// A network of fake nodes: slots, proposals, votes, late ones, forks, partitions, nodes killed and started again.
import { FakeNode } from "./node.js";
import { View, random, rootOf } from "./chain.js";
import { serveSupervisor } from "./server.js";

const defaults = {
  nodes: 4,
  validators: 64,
  slotMs: 4000,
  /** Share of slots whose block comes late, so that votes part and a fork follows. */
  lateBlocks: 0,
  /** Share of votes that come after t = ½. */
  lateVotes: 0.01,
  /** Share of slots without a block. */
  emptySlots: 0,
  /** Slots played at once before the clock starts, so that there is something to see. */
  past: 40,
  firstSlot: 1,
  seed: 7,
  agents: [],
};

export class Network {
  constructor(options = {}) {
    this.options = { ...defaults, ...options };
    this.random = random(this.options.seed);
    const { past, slotMs, nodes, validators, firstSlot } = this.options;
    this.slotMs = slotMs;
    // The played past starts at `firstSlot`, which may be high to see how the page takes long numbers.
    const now = Date.now();
    const start = firstSlot + past;
    this.genesisMs = Math.floor(now / 1000) * 1000 - start * slotMs;
    const genesis = {
      root: rootOf("genesis", this.options.seed), slot: firstSlot - 1, parent: "0x" + "0".repeat(64),
      proposer: 0, attestations: 0, at: this.genesisMs,
    };
    this.genesis = genesis;
    this.nodes = [];
    for (let i = 0; i < nodes; i++) {
      this.nodes.push(new FakeNode(this, i, `quartet_${i}`, new View(genesis, validators)));
    }
    /** Nodes in the same group hear each other. */
    this.groups = [this.nodes.map((_, i) => i)];
    this.timers = new Set();
    this.slot = start;
  }

  async start() {
    for (const node of this.nodes) await node.listen();
    for (let slot = this.options.firstSlot; slot < this.slot; slot++) this.play(slot, true);
    this.supervisor = await serveSupervisor(this);
    this.schedule();
    return this;
  }

  get url() {
    return this.supervisor.url;
  }

  async stop() {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    await Promise.all(this.nodes.map((node) => node.close()));
    await this.supervisor?.close();
  }

  slotStart(slot) {
    return this.genesisMs + slot * this.slotMs;
  }

  currentSlot() {
    return Math.floor((Date.now() - this.genesisMs) / this.slotMs);
  }

  owner(validator) {
    return validator % this.nodes.length;
  }

  partition(groups) {
    this.groups = groups;
  }

  heal() {
    this.partition([this.nodes.map((_, i) => i)]);
    for (const to of this.nodes) {
      for (const from of this.nodes) {
        for (const block of from.view.blocks.values()) if (!to.view.blocks.has(block.root)) to.view.add(block);
        for (const [validator, vote] of from.view.votes) to.view.vote(validator, vote.slot, vote.root);
      }
    }
    for (const node of this.nodes) node.updateHead(this.currentSlot(), Date.now(), false);
  }

  kill(index) {
    this.nodes[index].kill();
  }

  async restart(index) {
    const source = this.nodes.find((node) => node.alive);
    if (source) {
      const node = this.nodes[index];
      for (const block of source.view.blocks.values()) node.view.add(block);
      for (const [validator, vote] of source.view.votes) node.view.vote(validator, vote.slot, vote.root);
      node.view.justified = source.view.justified;
      node.view.finalized = source.view.finalized;
      node.view.head = source.view.head;
    }
    await this.nodes[index].listen();
  }

  later(atMs, action) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.stopped) action();
    }, Math.max(0, atMs - Date.now()));
    this.timers.add(timer);
  }

  schedule() {
    this.later(this.slotStart(this.slot), () => {
      this.play(this.slot, false);
      this.slot += 1;
      this.schedule();
    });
  }

  /** Plays one slot: at once for the past, by timers otherwise. */
  play(slot, past) {
    const start = this.slotStart(slot);
    const ms = this.slotMs;
    const when = (offset, action) => (past ? action(start + offset) : this.later(start + offset, () => action(start + offset)));
    const { lateBlocks, emptySlots, validators } = this.options;
    const empty = this.random() < emptySlots;
    const late = !empty && this.random() < lateBlocks;
    const proposer = slot % validators;
    const delay = ms * (late ? 0.3 : 0.015 + this.random() * 0.03);
    if (!past) for (const node of this.nodes) node.proposalDuty(slot, proposer, start, empty);
    const steps = [];
    const push = (offset, action) => steps.push([offset, action]);
    if (!empty) push(delay, (at) => this.propose(slot, proposer, at, past));
    push(ms * 0.25, (at) => this.cast(slot, at, past, when, push));
    push(ms * 0.5, (at) => this.eachGroup((nodes) => nodes.forEach((node) => node.updateSafe(slot, at, past))));
    push(ms * 0.75, (at) => this.eachGroup((nodes) => nodes.forEach((node) => node.count(slot, at, past))));
    if (past) {
      steps.sort((a, b) => a[0] - b[0]);
      while (steps.length) {
        const [offset, action] = steps.shift();
        action(start + offset);
        steps.sort((a, b) => a[0] - b[0]);
      }
    } else {
      for (const [offset, action] of steps) when(offset, action);
    }
  }

  eachGroup(action) {
    for (const group of this.groups) action(group.map((i) => this.nodes[i]).filter((node) => node.alive || !node.server));
  }

  propose(slot, proposer, at, past) {
    const owner = this.nodes[this.owner(proposer)];
    if (!past && !owner.alive) return;
    const parent = owner.view.head;
    const block = {
      root: rootOf("block", this.options.seed, slot, parent.root), slot, parent: parent.root, proposer,
      attestations: this.options.validators - 1, at,
    };
    for (const i of this.groupOf(owner.index)) {
      const node = this.nodes[i];
      if (past || node.alive) node.receiveBlock(block, at, i === owner.index, past);
    }
  }

  groupOf(index) {
    return this.groups.find((group) => group.includes(index)) ?? [index];
  }

  cast(slot, at, past, when, push) {
    const { validators, lateVotes } = this.options;
    for (let validator = 0; validator < validators; validator++) {
      if (slot % validators === validator) continue;
      const owner = this.nodes[this.owner(validator)];
      if (!past && !owner.alive) continue;
      const data = owner.voteData(slot);
      const late = this.random() < lateVotes;
      const offset = this.slotMs * (late ? 0.28 + this.random() * 0.6 : 0.005 + Math.abs(this.random() + this.random() - 1) * 0.16);
      const arrive = (time) => {
        for (const i of this.groupOf(owner.index)) {
          if (past || this.nodes[i].alive) this.nodes[i].receiveVote(validator, data, time, i === owner.index, past);
        }
      };
      if (past) push(this.slotMs * 0.25 + offset, arrive);
      else this.later(at + offset, () => arrive(Date.now()));
    }
    if (!past) for (const node of this.nodes) node.attestationDuty(slot, slot % validators);
  }
}
