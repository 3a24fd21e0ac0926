//! A process that joins the network with identities of its own, and at most one validator's key.
//!
//! It has one identity that listens, does nothing wrong and stays, and others that speak. These are thrown
//! away after use, since that is what somebody would do whom the nodes cut off.

mod claim;
mod identity_config;
mod listener;
mod speaker;
mod swarm;
mod tolerated_time;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use quartet_clock::Clock;
use quartet_network::wire::Topic;
use quartet_types::{
    Checkpoint, Root, SignedAttestation, SignedBlockWithAttestation, Slot, State, Status,
};
use ssz::Encode as _;
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    attacks::Attack, chain::Chain, devnet::Devnet, forge::Forged, process, traitor::Traitor,
};
pub(crate) use claim::Claim;
pub(crate) use identity_config::{Asks, IdentityConfig};
pub(crate) use speaker::Speaker;
pub(crate) use swarm::dial_once;
use tolerated_time::ToleratedTimes;

/// How much is taken off the attacks' priority: they shall not merely starve the nodes of the processor.
const NICENESS: i32 = 15;

/// Threads of the attacks. One sends while the other makes blocks.
const SPEAKING_THREADS: usize = 2;

/// The stranger. Dropped, it falls silent.
#[derive(Debug)]
pub struct Attacker {
    ears: Option<Runtime>,
    mouths: Option<Runtime>,
    knowledge: Arc<Knowledge>,
    nodes: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    traitor: Option<Arc<Traitor>>,
    clock: Clock,
    /// The slot from which on it has listened.
    since: Slot,
}

/// What the attacker knows of the chain, shared by its listener and its speakers.
#[derive(Debug)]
pub(crate) struct Knowledge {
    chain: Mutex<Chain>,
    /// The slot of the newest honest block.
    newest_slot: watch::Sender<Slot>,
    /// How many nodes the listener is connected with.
    heard_nodes: watch::Sender<usize>,
    deeds: Mutex<Deeds>,
    claim: Mutex<Claim>,
}

/// What an attack has done so far.
#[derive(Debug, Default)]
pub struct Deeds {
    /// The roots of the blocks that no honest validator has made and that were sent, in this order.
    pub forged: Vec<Root>,
    /// Messages that were sent, each to all nodes.
    pub sent: u64,
    /// Messages that could not be sent, for want of a node that takes them.
    pub unsent: u64,
    /// Identities that spoke.
    pub identities: u64,
    /// Further counts, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// Faults of the nodes, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// For how long the nodes tolerated each identity.
    pub(crate) tolerated_times: ToleratedTimes,
}

/// What an attack has at hand.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    knowledge: Arc<Knowledge>,
    /// Where the nodes listen for QUIC.
    pub(crate) nodes: Vec<SocketAddr>,
    /// Where they serve JSON-RPC.
    pub(crate) http: Vec<SocketAddr>,
    traitor: Option<Arc<Traitor>>,
}

/// An attack that is being played. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Playing(JoinHandle<()>);

impl Drop for Playing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Attacker {
    /// Joins a devnet, whose genesis this is, and listens from now on.
    ///
    /// # Errors
    /// When no threads can be started, or the traitor's key cannot be read.
    pub(crate) fn join(devnet: &Devnet, genesis: State) -> Result<Self> {
        let traitor = devnet
            .traitor()
            .map(|index| Traitor::read(devnet.genesis_directory(), &genesis, index).map(Arc::new));
        let traitor = traitor.transpose()?;
        // Received gossip is also evidence, so the listener has the nodes' priority.
        let ears = threads("listener", 1, 0)?;
        let mouths = threads("speaker", SPEAKING_THREADS, NICENESS)?;
        let knowledge = Arc::new(Knowledge {
            chain: Mutex::new(Chain::new(genesis)),
            newest_slot: watch::Sender::new(0),
            heard_nodes: watch::Sender::new(0),
            deeds: Mutex::default(),
            claim: Mutex::default(),
        });
        let nodes: Vec<_> = devnet.nodes().iter().map(|node| node.quic).collect();
        ears.spawn(listener::listen(nodes.clone(), knowledge.clone()));
        Ok(Self {
            ears: Some(ears),
            mouths: Some(mouths),
            knowledge,
            nodes,
            http: devnet.nodes().iter().map(|node| node.http).collect(),
            traitor,
            since: devnet.clock().slot(),
            clock: devnet.clock(),
        })
    }

    /// Waits until every node is heard and a block has come whose whole history is known; false when that
    /// takes longer than `patience`.
    pub(crate) async fn is_informed(&self, patience: Duration) -> bool {
        let mut nodes = self.knowledge.heard_nodes.subscribe();
        let mut newest = self.knowledge.newest_slot.subscribe();
        let all = self.nodes.len();
        let informed = async {
            if nodes.wait_for(|heard| *heard >= all).await.is_err() {
                return;
            }
            while newest.changed().await.is_ok() {
                let newest = *newest.borrow_and_update();
                let known = self.knowledge.chain().base_for(Slot::MAX);
                if known.is_some_and(|known| known.slot > 0 && known.slot == newest) {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, informed).await.is_ok()
    }

    /// The first slot in which an attack has the history it needs.
    pub(crate) fn ready_for(&self, attack: &Attack) -> Slot {
        self.since + attack.history
    }

    /// How many nodes it hears at this moment.
    pub(crate) fn heard_nodes(&self) -> usize {
        *self.knowledge.heard_nodes.borrow()
    }

    /// Starts to play an attack; what was done before is forgotten.
    pub(crate) fn play(&self, attack: &Attack) -> Option<Playing> {
        *self.knowledge.deeds() = Deeds::default();
        *self.knowledge.claim() = Claim::default();
        let stage = Stage {
            clock: self.clock.clone(),
            knowledge: self.knowledge.clone(),
            nodes: self.nodes.clone(),
            http: self.http.clone(),
            traitor: self.traitor.clone(),
        };
        let playing = self.mouths.as_ref()?.spawn(attack.play(stage));
        Some(Playing(playing))
    }

    /// The longest that a node has kept an identity connected after its first offence.
    pub(crate) fn longest_stay(&self) -> Option<Duration> {
        self.knowledge.deeds().tolerated_times.longest()
    }

    /// The node at this address was made to stand still for so long, until now.
    pub(crate) fn note_standstill(&self, node: SocketAddr, lasted: Duration) {
        let mut deeds = self.knowledge.deeds();
        deeds.tolerated_times.stood_still(node.port(), lasted);
    }

    /// The deeds of the attack, which is over.
    pub(crate) fn take_deeds(&self) -> Deeds {
        std::mem::take(&mut *self.knowledge.deeds())
    }

    /// How many of the duties of these slots were not heard being done, by all `validators` together.
    pub(crate) fn unheard(&self, slots: impl Iterator<Item = Slot>, validators: u64) -> u64 {
        let chain = self.knowledge.chain();
        slots.map(|slot| chain.silent(slot, validators)).sum()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // A runtime must not be waited for where other tasks run.
        for runtime in [self.ears.take(), self.mouths.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime of this many threads, whose priority is lowered by `niceness`.
fn threads(name: &str, count: usize, niceness: i32) -> Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(count)
        .thread_name(name)
        .on_thread_start(move || process::be_nice(niceness))
        .enable_all()
        .build()
        .context("the stranger's threads cannot be started")
}

impl Knowledge {
    pub(crate) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock()
    }

    fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.deeds.lock()
    }

    fn claim(&self) -> MutexGuard<'_, Claim> {
        self.claim.lock()
    }
}

impl Stage {
    /// What is known of the chain.
    pub(crate) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.knowledge.chain()
    }

    /// Counts something for the report.
    pub(crate) fn count(&self, what: &'static str, number: u64) {
        *self.knowledge.deeds().counts.entry(what).or_default() += number;
    }

    /// Counts something that must not happen.
    pub(crate) fn fault(&self, what: &'static str) {
        *self.knowledge.deeds().faults.entry(what).or_default() += 1;
    }

    /// The validator whose key the attacker has.
    pub(crate) fn traitor(&self) -> Option<Arc<Traitor>> {
        self.traitor.clone()
    }

    /// A fresh identity that is connected with all nodes, or with as many as let it in.
    pub(crate) async fn speaker(&self) -> Speaker {
        self.identity(IdentityConfig::default()).await
    }

    /// An identity of this conduct that is connected with all nodes, or with as many as let it in.
    pub(crate) async fn identity(&self, identity_config: IdentityConfig) -> Speaker {
        Speaker::connect(&self.nodes, self.knowledge.clone(), identity_config).await
    }

    /// For each node a fresh identity that is connected with that one alone.
    pub(crate) async fn speaker_for_each_node(&self) -> Vec<Speaker> {
        let connect = |node| {
            let nodes = std::slice::from_ref(node);
            Speaker::connect(nodes, self.knowledge.clone(), IdentityConfig::default())
        };
        join_all(self.nodes.iter().map(connect)).await
    }

    /// What an honest peer would say of the chain.
    pub(crate) fn honest_status(&self) -> Option<Status> {
        let head = self.chain().head()?;
        Some(Status {
            finalized: head.state.latest_finalized,
            head: Checkpoint {
                root: head.root,
                slot: head.slot,
            },
        })
    }

    /// Whether this attack's identities shall all claim what an honest peer would.
    pub(crate) fn claim_honestly(&self) {
        if let Some(status) = self.honest_status() {
            self.knowledge.claim().set(status);
        }
    }

    /// Waits for an honest block of `slot` or a later one.
    pub(crate) async fn newest_reaches(&self, slot: Slot) {
        let mut newest = self.knowledge.newest_slot.subscribe();
        // An error means that the listener has ended.
        if newest.wait_for(|newest| *newest >= slot).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends a forged block, in an envelope with another validator's attestation.
    pub(crate) async fn send_forged(
        &self,
        speaker: &Speaker,
        forged: Forged,
        proposer: &SignedAttestation,
    ) {
        let envelope = forged.seal(proposer);
        let Forged {
            block, root, state, ..
        } = forged;
        self.chain().add_forged(&block, root, Some(state));
        self.knowledge.deeds().forged.push(root);
        speaker.say(Topic::Block, envelope.as_ssz_bytes()).await;
    }

    /// Serves a forged block to peers that request it, without gossiping it.
    pub(crate) fn serve_forged(&self, forged: &Forged, proposer: &SignedAttestation) {
        let envelope = forged.seal(proposer);
        self.knowledge.deeds().forged.push(forged.root);
        self.knowledge.claim().serve(forged.root, &envelope);
    }

    /// Sends a block that the attacker's validator has signed.
    pub(crate) async fn send_own(&self, speaker: &Speaker, block: &SignedBlockWithAttestation) {
        speaker.say(Topic::Block, block.as_ssz_bytes()).await;
    }

    /// Serves a block that the attacker's validator has signed, and takes it for a part of the chain.
    pub(crate) fn publish(&self, forged: &Forged, own: &SignedAttestation) {
        let Forged {
            block, root, state, ..
        } = forged;
        self.chain().add_forged(block, *root, Some(state.clone()));
        self.serve_forged(forged, own);
    }

    /// Claims another status, to all nodes now and to those that ask later.
    pub(crate) async fn claim(&self, speaker: &Speaker, status: Status) {
        self.knowledge.claim().set(status);
        speaker.tell(&status).await;
    }

    /// Sends a block that was altered and fits nowhere.
    pub(crate) async fn send_altered(
        &self,
        speaker: &Speaker,
        root: Root,
        envelope: &SignedBlockWithAttestation,
    ) {
        self.chain().add_forged(envelope.block(), root, None);
        self.knowledge.deeds().forged.push(root);
        speaker.say(Topic::Block, envelope.as_ssz_bytes()).await;
    }

    /// Sends an honest block in any envelope.
    pub(crate) async fn send_copy(&self, speaker: &Speaker, copy: &SignedBlockWithAttestation) {
        speaker.say(Topic::Block, copy.as_ssz_bytes()).await;
    }

    /// Sends a vote.
    pub(crate) async fn send_vote(&self, speaker: &Speaker, vote: &SignedAttestation) {
        speaker.say(Topic::Attestation, vote.as_ssz_bytes()).await;
    }
}
