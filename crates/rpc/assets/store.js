// The model of one node, fed by its WebSocket. Everything here has a limit: the page stays open for weeks.
import { Feed } from "./feed.js";
import { SlotClock } from "./slots.js";
import { SlotVotes } from "./votes.js";
import { Chain } from "./chain.js";
import { plural, tame } from "./format.js";

const KEPT_SLOTS = 24;
const KEPT_HISTORY = 512;
const KEPT_DUTIES = 48;
const KEPT_LOG = 60;
const MOST_PEERS = 512;
const HISTORY_PER_CALL = 64;
/** Blocks asked for to begin with, and the votes that they may hold in all. */
const PAST_BLOCKS = 40;
const PAST_VOTES = 6000;

const OVERVIEW = ["head", "block", "justified", "finalized", "safe_target", "reorg", "equivocation", "sync", "slot"];
const DETAIL = ["attestation", "peer", "duty"];

export class NodeModel {
  /** `changed(part)` is called with the name of what has changed. */
  constructor({ name, url }, changed) {
    this.name = tame(name);
    this.url = url;
    this.changed = (part) => changed(this, part);
    this.clock = new SlotClock();
    this.link = "connecting";
    this.detailed = false;
    this.log = [];
    this.reset();
    this.feed = new Feed(url, {
      open: () => this.opened(),
      down: () => this.gone(),
      dropped: (reason) => this.dropped(reason),
      event: (topic, event) => this.event(topic, event),
      alive: (answer) => this.synced(answer),
    });
  }

  /** Another genesis is another network: nothing of the former one counts. */
  reset() {
    this.info = null;
    this.sync = null;
    this.genesisRoot = null;
    this.validators = 0;
    this.chain = new Chain();
    this.slots = new Map();
    this.history = [];
    this.peers = new Map();
    this.duties = [];
  }

  get head() {
    return this.chain.head;
  }

  get lag() {
    const { head, finalized } = this.chain;
    if (!head || !finalized) return 0;
    const slot = this.clock.known ? this.clock.slot() : head.slot;
    // The block of a slot that has just begun is not overdue.
    return Math.max(0, (slot - head.slot <= 1 ? head.slot : slot) - finalized.slot);
  }

  async opened() {
    this.link = "up";
    this.clock.forget();
    this.changed("status");
    await this.refresh();
  }

  /** Asks for everything anew; subscribes first, so that nothing falls between. */
  async refresh() {
    const { feed } = this;
    const { socket } = feed;
    try {
      // Newer methods may be missing from other clients: each answer is taken by itself.
      const genesis = await feed.call("lean_genesis").catch(() => null);
      if (genesis) this.began(genesis);
      await feed.subscribe(OVERVIEW);
      if (this.detailed) await this.watch();
      await Promise.all([
        this.take("lean_node_info", [], (info) => this.introduced(info)),
        this.take("lean_syncing", [], (answer) => this.synced(answer)),
        this.refreshTree().then(() => this.refreshBlocks()),
        this.refreshHistory(),
      ]);
    } catch (error) {
      if (feed.socket === socket && feed.open) this.note("warn", `The node did not tell all: ${error.message}`);
    }
  }

  take(method, params, use) {
    return this.feed.call(method, params).then(use, () => {});
  }

  /** Votes, peers and duties are asked for only where the node is shown in full. */
  async show(detailed) {
    if (this.detailed === detailed) return;
    this.detailed = detailed;
    if (!detailed) {
      this.feed.unsubscribe(this.detail);
    } else if (this.feed.open) {
      await this.watch().catch(() => {});
    }
  }

  async watch() {
    this.detail = await this.feed.subscribe(DETAIL);
    if (!this.detailed) this.feed.unsubscribe(this.detail);
    const current = this.clock.slot();
    const asked = [];
    for (let slot = Math.max(0, current - KEPT_SLOTS / 2); slot <= current; slot++) {
      asked.push(this.take("lean_votes", [slot], (answer) => this.votesOf(answer)));
    }
    asked.push(this.refreshPeers());
    await Promise.all(asked);
  }

  refreshPeers() {
    return this.take("lean_peers", [], ({ peers = [] }) => {
      this.peers = new Map(peers.slice(0, MOST_PEERS).map((peer) => [peer.peer_id, peer]));
      this.changed("peers");
    });
  }

  refreshTree() {
    if (this.asking) {
      this.again = true;
      return this.asking;
    }
    this.asking = this.take("lean_fork_choice", [], (tree) => {
      if (tree.validator_count) this.validators = tree.validator_count;
      this.chain.take(tree);
      this.fillIn();
      this.changed("chain");
    }).finally(() => {
      this.asking = null;
      if (this.again) {
        this.again = false;
        this.refreshTree();
      }
    });
    return this.asking;
  }

  /** The chain before the tree's root, as far as its bodies are small enough to ask for. */
  refreshBlocks() {
    const root = this.chain.finalized?.slot;
    const count = Math.min(PAST_BLOCKS, Math.floor(PAST_VOTES / Math.max(1, this.validators)), root ?? 0);
    if (!count) return null;
    return this.take("lean_blocks", [root - count, count], (blocks) => {
      for (const { root: block, block: inner } of blocks) {
        this.chain.past({ root: block, slot: inner.slot, parent: inner.parent_root, proposer: inner.proposer_index });
      }
      this.fillIn();
      this.changed("chain");
    });
  }

  async refreshHistory() {
    const current = this.clock.slot();
    if (!this.clock.known || this.history.length) return;
    const from = Math.max(0, current - 2 * HISTORY_PER_CALL);
    const moves = [];
    for (let start = from; start < current; start += HISTORY_PER_CALL) {
      await this.take("lean_finality_history", [start, HISTORY_PER_CALL], (answer) => moves.push(...answer));
    }
    moves.sort((a, b) => a.at - b.at);
    const past = [];
    for (let slot = moves[0]?.at ?? current, i = 0; slot < current; slot++) {
      while (i + 1 < moves.length && moves[i + 1].at <= slot) i++;
      past.push({ slot, finalized: slot - moves[i].slot, justified: null, head: null });
    }
    const known = this.history[0]?.slot ?? Infinity;
    this.history = [...past.filter((entry) => entry.slot < known), ...this.history];
    this.changed("finality");
  }

  began(genesis) {
    if (this.genesisRoot && this.genesisRoot !== genesis.genesis_root) {
      this.reset();
      this.note("warn", "The node is on another network now: everything starts anew.");
    }
    this.genesisRoot = genesis.genesis_root;
    this.validators = genesis.validator_count || this.validators;
    this.clock.set(genesis);
    this.changed("info");
  }

  introduced(info) {
    this.info = info;
    if (!this.name) this.name = tame(info.name);
    this.local = new Set(info.validators ?? []);
    this.changed("info");
  }

  synced(answer) {
    this.lastHeard = Date.now();
    const former = this.sync?.state;
    this.sync = answer;
    if (former !== answer.state) this.changed("status");
    this.changed("sync");
  }

  gone() {
    if (this.link !== "down") {
      if (this.link === "up") this.note("bad", "The node does not answer any more.");
      this.link = "down";
      this.changed("status");
    }
    this.peers.clear();
    this.changed("peers");
  }

  dropped(reason) {
    this.note("warn", `This page fell behind the node (${tame(reason, 120)}); asked for everything anew.`);
    this.refresh();
  }

  event(topic, event) {
    this.lastHeard = Date.now();
    this.clock.sample(event.at);
    this[`on_${topic}`]?.(event);
  }

  on_head({ slot, block }) {
    this.chain.head = { root: block, slot };
    this.changed("chain");
  }

  on_block(event) {
    this.chain.add(event);
    // A block that sync has fetched did not arrive in its slot.
    if (event.origin !== "sync") this.votes(event.slot)?.block(event);
    this.changed("chain");
    this.changed("votes");
  }

  on_attestation({ validator_id: validator, data, at, origin }) {
    this.votes(data.slot)?.vote(validator, at, data.head, origin);
    this.changed("votes");
  }

  on_justified({ slot, block }) {
    this.chain.justified = { root: block, slot };
    this.changed("chain");
  }

  on_finalized({ slot, block }) {
    this.chain.finalized = { root: block, slot };
    this.chain.prune();
    this.changed("chain");
  }

  on_safe_target({ slot, block }) {
    this.chain.safe = { root: block, slot };
    this.changed("chain");
  }

  on_reorg({ slot, depth, old_head: old, new_head: now }) {
    this.note("warn", `Reorganisation in slot ${slot}: ${plural(depth, "block")} left behind, head from slot ${old?.slot} to ${now?.slot}.`);
  }

  on_equivocation({ slot, validator_id: validator }) {
    this.note("bad", `Validator ${validator} signed two messages for slot ${slot}.`);
  }

  on_sync(event) {
    this.synced(event);
  }

  on_peer({ event, peer }) {
    if (!peer) return;
    if (event === "disconnected") this.peers.delete(peer.peer_id);
    else if (this.peers.has(peer.peer_id) || this.peers.size < MOST_PEERS) this.peers.set(peer.peer_id, peer);
    this.changed("peers");
  }

  on_duty(duty) {
    this.duties.unshift(duty);
    this.duties.length = Math.min(this.duties.length, KEPT_DUTIES);
    this.changed("duties");
  }

  on_slot(event) {
    const { slot, head, safe_target: safe, justified, finalized, peers, state } = event;
    this.chain.marks({ head, safe, justified, finalized });
    this.peerCount = peers;
    if (this.sync && this.sync.state !== state) {
      this.sync = { ...this.sync, state };
      this.changed("status");
    }
    this.history.push({ slot, finalized: slot - finalized.slot, justified: slot - justified.slot, head: slot - head.slot });
    if (this.history.length > KEPT_HISTORY) this.history.splice(0, this.history.length - KEPT_HISTORY);
    this.chain.prune();
    this.refreshTree();
    this.changed("finality");
    this.changed("chain");
  }

  votesOf({ slot, votes }) {
    const record = this.votes(slot);
    for (const { validator_id: validator, at, head } of votes) record?.vote(validator, at, head, "gossip");
    this.fillIn();
  }

  /** Slots whose block came before this page watched are not empty. */
  fillIn() {
    for (const record of this.slots.values()) {
      const block = record.proposer === null && this.chain.inSlot(record.slot);
      if (block) record.unwatched(block);
    }
    this.changed("votes");
  }

  /** The record of a slot's votes, or null where it is too old or too far ahead to keep. */
  votes(slot) {
    const current = this.clock.slot();
    if (!this.validators || slot <= current - KEPT_SLOTS || slot > current + 2) return this.slots.get(slot) ?? null;
    let record = this.slots.get(slot);
    if (!record) {
      record = new SlotVotes(slot, this.clock.start(slot), this.clock.slotMs, this.validators);
      this.slots.set(slot, record);
      for (const old of this.slots.keys()) if (old <= current - KEPT_SLOTS) this.slots.delete(old);
    }
    return record;
  }

  note(tone, text) {
    this.log.unshift({ at: Date.now(), tone, text });
    this.log.length = Math.min(this.log.length, KEPT_LOG);
    this.changed("log");
  }
}
