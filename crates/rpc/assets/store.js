// The model of a node, fed by its WebSocket. All has a limit: the page stays open for weeks.
import { Feed } from "./feed.js";
import { SlotClock } from "./slots.js";
import { SlotVotes } from "./votes.js";
import { Chain, MARKS } from "./chain.js";
import { plural, tame } from "./format.js";

const KEPT_SLOTS = 24;
const KEPT_HISTORY = 512;
const KEPT_DUTIES = 48;
const KEPT_LOG = 60;
const MOST_PEERS = 512;
const HISTORY_PER_CALL = 64;
/** Blocks asked for at first, and the votes that they may hold in all. */
const PAST_BLOCKS = 40;
const PAST_VOTES = 6000;

const OVERVIEW = ["head", "block", "justified", "finalized", "safe_target", "reorg", "equivocation", "sync", "slot"];
const DETAIL = ["attestation", "peer", "duty"];

export class NodeModel {
	clock = new SlotClock();
	link = "connecting";
	detailed = false;
	log = [];

	/** `changed(node)`: something is to be drawn, other than votes, which the clock draws. */
	constructor({ name, url }, changed) {
		this.name = tame(name);
		this.url = url;
		this.changed = () => changed(this);
		this.reset();
		this.feed = new Feed(url, {
			open: () => this.opened(),
			down: () => this.gone(),
			dropped: (reason) => this.dropped(reason),
			event: (topic, event) => this.event(topic, event),
			alive: (answer) => this.on_sync(answer),
		});
	}

	/** Another genesis is another network. */
	reset() {
		[this.info, this.sync, this.genesisRoot, this.validators] = [null, null, null, 0];
		[this.history, this.duties] = [[], []];
		[this.chain, this.slots, this.peers] = [new Chain(), new Map(), new Map()];
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
		this.clock.samples = [];
		await this.refresh();
	}

	/** Subscribes first, so that nothing falls between. */
	async refresh() {
		const { feed } = this;
		const { socket } = feed;
		await this.take("lean_genesis", [], (genesis) => this.began(genesis));
		try {
			await feed.call("lean_subscribe", OVERVIEW);
			if (this.detailed) await this.watch();
			await Promise.all([
				this.take("lean_node_info", [], (info) => this.introduced(info)),
				this.take("lean_syncing", [], (answer) => this.on_sync(answer)),
				this.refreshTree().then(() => this.refreshBlocks()),
				this.refreshHistory(),
			]);
		} catch (error) {
			if (feed.socket === socket && feed.open) this.note("warn", `The node did not tell all: ${error.message}`);
		}
	}

	/** Other clients may lack a method: each answer is taken by itself. */
	take(method, params, use) {
		return this.feed.call(method, params).then(use).then(this.changed, () => {});
	}

	/** Votes, peers and duties are for the node shown in full. */
	async show(detailed) {
		if (this.detailed === detailed) return;
		this.detailed = detailed;
		if (!detailed) this.unwatch();
		else if (this.feed.open) await this.watch().catch(() => {});
	}

	unwatch() {
		this.take("lean_unsubscribe", [this.detail], () => {});
	}

	async watch() {
		this.detail = await this.feed.call("lean_subscribe", DETAIL);
		if (!this.detailed) this.unwatch();
		const { current } = this.clock;
		const asked = [this.take("lean_peers", [], ({ peers = [] }) => {
			this.peers = new Map(peers.slice(0, MOST_PEERS).map((peer) => [peer.peer_id, peer]));
		})];
		for (let slot = Math.max(0, current - KEPT_SLOTS / 2); slot <= current; slot++) {
			asked.push(this.take("lean_votes", [slot], ({ votes }) => {
				for (const { validator_id: validator, at, head } of votes) this.votes(slot)?.vote(validator, at, head);
				this.fillIn();
			}));
		}
		await Promise.all(asked);
	}

	/** One question at a time; what comes meanwhile is asked once more. */
	refreshTree() {
		if (this.asking) this.again = true;
		this.asking ??= this.take("lean_fork_choice", [], (tree) => {
			this.validators = tree.validator_count || this.validators;
			this.chain.take(tree);
			this.fillIn();
		}).then(() => {
			this.asking = null;
			if (this.again) this.refreshTree();
			this.again = false;
		});
		return this.asking;
	}

	/** The chain before the tree's root. */
	refreshBlocks() {
		const root = this.chain.finalized?.slot;
		const count = Math.min(PAST_BLOCKS, Math.floor(PAST_VOTES / Math.max(1, this.validators)), root ?? 0);
		if (!count) return null;
		return this.take("lean_blocks", [root - count, count], (blocks) => {
			for (const { root, block } of blocks) this.chain.add(root, block);
			this.fillIn();
		});
	}

	async refreshHistory() {
		const { current } = this.clock;
		if (!this.clock.known || this.history.length) return;
		const moves = [];
		for (let start = Math.max(0, current - 2 * HISTORY_PER_CALL); start < current; start += HISTORY_PER_CALL) {
			await this.take("lean_finality_history", [start, HISTORY_PER_CALL], (answer) => moves.push(...answer));
		}
		const past = [];
		for (let slot = Math.min(...moves.map(({ at }) => at)); slot < (this.history[0]?.slot ?? current); slot++) {
			past.push({ slot, finalized: slot - Math.max(...moves.filter(({ at }) => at <= slot).map((move) => move.slot)) });
		}
		this.history.unshift(...past);
	}

	began(genesis) {
		if (this.genesisRoot && this.genesisRoot !== genesis.genesis_root) {
			this.reset();
			this.note("warn", "The node is on another network now: everything starts anew.");
		}
		this.genesisRoot = genesis.genesis_root;
		this.validators = genesis.validator_count || this.validators;
		this.clock.set(genesis);
	}

	introduced(info) {
		this.info = info;
		this.name ||= tame(info.name);
		this.local = new Set(info.validators ?? []);
	}

	gone() {
		if (this.link === "up") this.note("bad", "The node does not answer any more.");
		[this.link, this.detail] = ["down", null];
		this.peers.clear();
		this.changed();
	}

	dropped(reason) {
		this.note("warn", `This page fell behind the node (${tame(reason, 120)}); asked for everything anew.`);
		this.refresh();
	}

	event(topic, event) {
		this.lastHeard = Date.now();
		this.clock.sample(event.at);
		if (MARKS.includes(topic)) this.chain.mark({ [topic]: { root: event.block, slot: event.slot } });
		this[`on_${topic}`]?.(event);
		if (topic !== "attestation") this.changed();
	}

	on_block(event) {
		this.chain.add(event.block, event);
		// What sync has fetched did not arrive in its slot.
		if (event.origin !== "sync") this.votes(event.slot)?.block(event);
	}

	on_attestation({ validator_id: validator, data, at }) {
		this.votes(data.slot)?.vote(validator, at, data.head);
	}

	on_reorg({ slot, depth, old_head: old, new_head: now }) {
		this.note("warn", `Reorganisation in slot ${slot}: ${plural(depth, "block")} left behind, head from slot ${old?.slot} to ${now?.slot}.`);
	}

	on_equivocation({ slot, validator_id: validator }) {
		this.note("bad", `Validator ${validator} signed two messages for slot ${slot}.`);
	}

	on_sync(answer) {
		this.lastHeard = Date.now();
		this.sync = answer;
		this.changed();
	}

	on_peer({ event, peer }) {
		if (!peer) return;
		if (event === "disconnected") this.peers.delete(peer.peer_id);
		else if (this.peers.has(peer.peer_id) || this.peers.size < MOST_PEERS) this.peers.set(peer.peer_id, peer);
	}

	on_duty(duty) {
		this.duties.unshift(duty);
		this.duties.splice(KEPT_DUTIES);
	}

	on_slot(event) {
		const { slot, justified, finalized, peers, state } = event;
		this.chain.mark(event);
		this.chain.prune();
		this.peerCount = peers;
		if (this.sync) this.sync.state = state;
		this.history.push({ slot, finalized: slot - finalized.slot, justified: slot - justified.slot });
		if (this.history.length > KEPT_HISTORY) this.history.shift();
		this.refreshTree();
	}

	/** Slots whose block was not watched are not empty. */
	fillIn() {
		const blocks = new Map([...this.chain.canonical().values()].map((block) => [block.slot, block]));
		for (const record of this.slots.values()) if (blocks.has(record.slot)) record.unwatched(blocks.get(record.slot));
	}

	/** Undefined where the slot is too old or too far ahead to keep. */
	votes(slot) {
		const current = this.clock.slot();
		const oldest = current - KEPT_SLOTS;
		if (!this.slots.has(slot) && this.validators && slot > oldest && slot <= current + 2) {
			this.slots.set(slot, new SlotVotes(slot, this.clock.start(slot), this.clock.slotMs, this.validators));
			for (const old of this.slots.keys()) if (old <= oldest) this.slots.delete(old);
		}
		return this.slots.get(slot);
	}

	note(tone, text) {
		this.log.unshift({ at: Date.now(), tone, text });
		this.log.splice(KEPT_LOG);
	}
}
