//! What each peer's gossip may cost us: messages, bytes, and bytes that wait for a verdict.
//!
//! Gossipsub computes a message's id from its decompressed data before it knows whether it has the
//! message, on the swarm's own task. So what a peer may have decompressed is bounded here, before it is.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libp2p::PeerId;
use metrics::gauge;
use quartet_chain::ATTESTATION_QUEUE;
use quartet_clock::Clock;

use crate::{token_bucket::TokenBucket, wire::Topic};

const MIB: u32 = 1 << 20;

/// Transmissions that a peer may send in a burst, and per second: a vote of each validator of the largest
/// registry (4,096) in every slot, all at once, several times over.
const RPC_BURST: u32 = 16_384;
const RPCS_PER_SECOND: u32 = 4_096;
/// Decompressed bytes that a peer may send in a burst, and per second: each slot the longest block and the
/// votes of 4,096 validators.
const PEER_BYTES_BURST: u32 = 24 * MIB;
const PEER_BYTES_PER_SECOND: u32 = 6 * MIB;
/// The same for all strangers together: what they send costs memory and time until it is judged.
const STRANGERS_BYTES_BURST: u32 = 24 * MIB;
const STRANGERS_BYTES_PER_SECOND: u32 = 8 * MIB;
/// What each stranger may send in any case, however many copies others send of what they have sent before: enough for votes, by
/// which it becomes known.
const STRANGER_BYTES_BURST: u32 = MIB / 2;
const STRANGER_BYTES_PER_SECOND: u32 = MIB / 16;
/// Bytes under validation: a longest block and some votes of a stranger, two of all strangers, three of a
/// peer that has delivered something valid.
const STRANGER_HELD: usize = 12 * MIB as usize;
const STRANGERS_HELD: usize = 24 * MIB as usize;
const KNOWN_HELD: usize = 32 * MIB as usize;
/// Of all peers together.
const ALL_HELD: usize = 64 * MIB as usize;
/// Votes under validation: of a stranger, of all strangers, of a peer that has delivered something valid, and of all, beside which
/// strangers may bring theirs. One transmission may exceed them.
const STRANGER_VOTES: usize = 512;
const STRANGERS_VOTES: usize = 2048;
const KNOWN_VOTES: usize = 4096;
const ALL_VOTES: usize = 8192;
const _: () = assert!(
    ALL_VOTES + STRANGERS_VOTES + 2 * super::MAX_MESSAGES_AT_ONCE <= ATTESTATION_QUEUE,
    "a vote that finds no room in the queue to the chain is lost"
);
/// Messages that are dropped because their sender sends more than any honest node, for each of which one fault is counted.
const DROPPED_PER_FAULT: u32 = 128;

/// Whether a message is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    /// Over a budget: as if it had not come. Another peer may bring it, or this one later.
    Ignored(&'static str),
}

/// Something that no honest node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) peer: PeerId,
    pub(crate) reason: &'static str,
    pub(crate) count: u32,
}

/// The meters of all connected peers, shared by [`super::MeteredGossip`], which knows the sender, and the transform, which sees
/// the message.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// The sender of the transmission that is being handled.
    sender: Option<PeerId>,
    /// Bounded by the connections.
    peers: BTreeMap<PeerId, Meter>,
    strangers: TokenBucket,
    held: usize,
    held_for_strangers: usize,
    votes: usize,
    votes_of_strangers: usize,
    /// Not told yet: at most a few kinds for each peer.
    faults: BTreeMap<(PeerId, &'static str), u32>,
}

#[derive(Debug)]
struct Meter {
    /// It has recently delivered something valid, or is a static peer.
    known: bool,
    /// All of its messages are ignored.
    muted: bool,
    /// It has left, but something of it waits for a verdict.
    gone: bool,
    rpcs: TokenBucket,
    bytes: TokenBucket,
    /// Of these bytes, those that do not count for all strangers.
    share: TokenBucket,
    held: usize,
    /// Of what is held.
    votes: usize,
    dropped: u32,
}

impl Meter {
    fn new(now: Duration) -> Self {
        Self {
            known: false,
            muted: false,
            gone: false,
            rpcs: TokenBucket::new(RPC_BURST, RPCS_PER_SECOND, now),
            bytes: TokenBucket::new(PEER_BYTES_BURST, PEER_BYTES_PER_SECOND, now),
            share: TokenBucket::new(STRANGER_BYTES_BURST, STRANGER_BYTES_PER_SECOND, now),
            held: 0,
            votes: 0,
            dropped: 0,
        }
    }

    /// Whether nothing of a peer that has left waits for a verdict.
    fn is_done(&self) -> bool {
        self.gone && self.held == 0 && self.votes == 0
    }
}

impl Inner {
    fn meter(&mut self, peer: PeerId, now: Duration) -> &mut Meter {
        self.peers.entry(peer).or_insert_with(|| Meter::new(now))
    }

    fn fault(&mut self, peer: PeerId, reason: &'static str) {
        let count = self.faults.entry((peer, reason)).or_default();
        *count = count.saturating_add(1);
    }

    fn dropped(&mut self, peer: PeerId, now: Duration) {
        let meter = self.meter(peer, now);
        meter.dropped += 1;
        if meter.dropped >= DROPPED_PER_FAULT {
            meter.dropped = 0;
            self.fault(peer, "flood");
        }
    }
}

impl Meters {
    pub(crate) fn new(clock: Clock) -> Self {
        let now = clock.now();
        let inner = Inner {
            sender: None,
            peers: BTreeMap::new(),
            strangers: TokenBucket::new(STRANGERS_BYTES_BURST, STRANGERS_BYTES_PER_SECOND, now),
            held: 0,
            held_for_strangers: 0,
            votes: 0,
            votes_of_strangers: 0,
            faults: BTreeMap::new(),
        };
        Self {
            clock,
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Numbers only: nothing is left half done by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transmission begins. Says whether it is to be looked at.
    pub(crate) fn begin(&self, peer: PeerId) -> bool {
        let now = self.clock.now();
        let mut inner = self.lock();
        let meter = inner.meter(peer, now);
        meter.gone = false;
        if meter.muted {
            return false;
        }
        if !meter.rpcs.take(1, now) {
            inner.dropped(peer, now);
            return false;
        }
        inner.sender = Some(peer);
        true
    }

    pub(crate) fn end(&self) {
        self.lock().sender = None;
    }

    /// Whether the present sender's message of this many bytes may be decompressed. What is refused here gossipsub does not take
    /// note of, so that others may bring it.
    pub(crate) fn admit(&self, topic: Topic, bytes: usize) -> Admission {
        let now = self.clock.now();
        let mut inner = self.lock();
        let Some(peer) = inner.sender else {
            return Admission::Admitted;
        };
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (held, held_for_strangers) = (inner.held, inner.held_for_strangers);
        let (votes, votes_of_strangers) = (inner.votes, inner.votes_of_strangers);
        let meter = inner.meter(peer, now);
        if meter.muted {
            return Admission::Ignored("muted");
        }
        let has_votes = if meter.known {
            meter.votes >= KNOWN_VOTES || votes >= ALL_VOTES
        } else {
            meter.votes >= STRANGER_VOTES || votes_of_strangers >= STRANGERS_VOTES
        };
        if topic == Topic::Attestation && has_votes {
            return Admission::Ignored("votes");
        }
        let fits = |held: usize, most: usize| held.saturating_add(bytes) <= most;
        let fits = if meter.known {
            fits(meter.held, KNOWN_HELD) && fits(held, ALL_HELD)
        } else {
            fits(meter.held, STRANGER_HELD) && fits(held_for_strangers, STRANGERS_HELD)
        };
        if !fits {
            return Admission::Ignored("held");
        }
        if !meter.bytes.take(cost, now) {
            inner.dropped(peer, now);
            return Admission::Ignored("rate");
        }
        let counts_for_all = !meter.known && !meter.share.take(cost, now);
        if counts_for_all && !inner.strangers.take(cost, now) {
            return Admission::Ignored("strangers");
        }
        Admission::Admitted
    }

    /// The present sender's message breaks the rules of the wire.
    pub(crate) fn undecodable(&self, reason: &'static str) {
        let mut inner = self.lock();
        if let Some(peer) = inner.sender {
            inner.fault(peer, reason);
        }
    }

    /// What the peers have done since this was last asked, one kind by one peer at a time.
    pub(crate) fn next_faults(&self) -> Option<Faults> {
        let ((peer, reason), count) = self.lock().faults.pop_first()?;
        Some(Faults {
            peer,
            reason,
            count,
        })
    }

    /// A message of a peer, of this many bytes, waits for a verdict.
    pub(crate) fn hold(&self, peer: PeerId, topic: Topic, bytes: usize) {
        let now = self.clock.now();
        let votes = usize::from(topic == Topic::Attestation);
        let mut inner = self.lock();
        let meter = inner.meter(peer, now);
        meter.held = meter.held.saturating_add(bytes);
        meter.votes += votes;
        let known = meter.known;
        inner.votes += votes;
        inner.held = inner.held.saturating_add(bytes);
        if !known {
            inner.held_for_strangers = inner.held_for_strangers.saturating_add(bytes);
            inner.votes_of_strangers += votes;
        }
        gauge!("quartet_gossip_unjudged_bytes").set(inner.held as f64);
    }

    /// A message of a peer waits no longer.
    pub(crate) fn release(&self, peer: &PeerId, topic: Topic, bytes: usize) {
        let votes = usize::from(topic == Topic::Attestation);
        let mut inner = self.lock();
        let Some(meter) = inner.peers.get_mut(peer) else {
            return;
        };
        let (bytes, votes) = (bytes.min(meter.held), votes.min(meter.votes));
        meter.held -= bytes;
        meter.votes -= votes;
        let (known, done) = (meter.known, meter.is_done());
        inner.held -= bytes;
        inner.votes -= votes;
        gauge!("quartet_gossip_unjudged_bytes").set(inner.held as f64);
        if !known {
            inner.held_for_strangers = inner.held_for_strangers.saturating_sub(bytes);
            inner.votes_of_strangers = inner.votes_of_strangers.saturating_sub(votes);
        }
        if done {
            inner.peers.remove(peer);
        }
    }

    /// Bytes that wait for a verdict: all, and those of strangers.
    #[cfg(feature = "fuzz")]
    pub(crate) fn held(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.held, inner.held_for_strangers)
    }

    /// The peer is one to be trusted with more, or a stranger again.
    pub(crate) fn set_known(&self, peer: PeerId, known: bool) {
        let now = self.clock.now();
        let mut inner = self.lock();
        let meter = inner.meter(peer, now);
        if meter.known == known {
            return;
        }
        meter.known = known;
        let (held, votes) = (meter.held, meter.votes);
        if known {
            inner.held_for_strangers = inner.held_for_strangers.saturating_sub(held);
            inner.votes_of_strangers = inner.votes_of_strangers.saturating_sub(votes);
        } else {
            inner.held_for_strangers = inner.held_for_strangers.saturating_add(held);
            inner.votes_of_strangers += votes;
        }
    }

    /// A peer has come.
    pub(crate) fn greet(&self, peer: PeerId) {
        let now = self.clock.now();
        self.lock().meter(peer, now).gone = false;
    }

    /// Ignores all further messages of the peer, which is about to be disconnected, unless it has left already.
    pub(crate) fn mute(&self, peer: &PeerId) {
        let mut inner = self.lock();
        if let Some(meter) = inner.peers.get_mut(peer).filter(|meter| !meter.gone) {
            meter.muted = true;
        }
    }

    /// The peer is gone. What it has under validation counts on.
    pub(crate) fn forget(&self, peer: &PeerId) {
        let mut inner = self.lock();
        if let Some(meter) = inner.peers.get_mut(peer) {
            (meter.gone, meter.muted) = (true, false);
            if meter.is_done() {
                inner.peers.remove(peer);
            }
        }
        let of_peer = (*peer, "")..;
        let kinds: Vec<_> = (inner.faults.range(of_peer))
            .take_while(|((id, _), _)| id == peer)
            .map(|(key, _)| *key)
            .collect();
        for kind in kinds {
            inner.faults.remove(&kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);
    const BLOCK: usize = 10 * MIB as usize;
    const VOTE: usize = 3_248;

    fn meters() -> Meters {
        Meters::new(Clock::manual(0, START))
    }

    /// Whether a message of this peer is admitted, as [`super::MeteredGossip`] and the transform ask.
    fn send(meters: &Meters, peer: PeerId, bytes: usize) -> Option<Admission> {
        let topic = if bytes == VOTE {
            Topic::Attestation
        } else {
            Topic::Block
        };
        let admission = meters.begin(peer).then(|| meters.admit(topic, bytes));
        meters.end();
        admission
    }

    fn faults(meters: &Meters) -> u32 {
        let mut sum = 0;
        while let Some(faults) = meters.next_faults() {
            sum += faults.count;
        }
        sum
    }

    #[tokio::test(start_paused = true)]
    async fn two_long_blocks_of_strangers_wait_for_a_verdict_and_no_more() {
        let meters = meters();
        let peers: Vec<_> = (0..20).map(|_| PeerId::random()).collect();
        let mut admitted = 0;
        for peer in peers.iter().chain(&peers) {
            if send(&meters, *peer, BLOCK) == Some(Admission::Admitted) {
                meters.hold(*peer, Topic::Block, BLOCK);
                admitted += 1;
            }
        }
        assert_eq!((admitted, meters.lock().held), (2, 2 * BLOCK));
        assert_eq!(faults(&meters), 0, "an honest block costs nobody");
        // One that has proved itself is still heard.
        let known = PeerId::random();
        meters.set_known(known, true);
        assert_eq!(send(&meters, known, BLOCK), Some(Admission::Admitted));
        // And a verdict frees the bytes of its message.
        meters.release(&peers[0], Topic::Block, BLOCK);
        assert_eq!(meters.lock().held, BLOCK);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_under_validation_outlive_their_peer_and_follow_it_when_it_becomes_known() {
        let meters = meters();
        let peer = PeerId::random();
        meters.hold(peer, Topic::Block, BLOCK);
        meters.forget(&peer);
        assert_eq!(meters.lock().held_for_strangers, BLOCK);
        meters.release(&peer, Topic::Block, BLOCK);
        let inner = meters.lock();
        assert_eq!((inner.held_for_strangers, inner.peers.len()), (0, 0));
        drop(inner);

        meters.hold(peer, Topic::Block, BLOCK);
        meters.set_known(peer, true);
        assert_eq!(meters.lock().held_for_strangers, 0);
        meters.set_known(peer, false);
        assert_eq!(meters.lock().held_for_strangers, BLOCK);
    }

    #[tokio::test(start_paused = true)]
    async fn copies_that_strangers_send_without_end_leave_a_share_to_each_other_one() {
        let meters = meters();
        let [greedy, greedier, honest] = [(); 3].map(|()| PeerId::random());
        for _ in 0..10 {
            for _ in 0..100 {
                // Of messages that have been judged: nothing of them is held.
                send(&meters, greedy, MIB as usize);
                send(&meters, greedier, MIB as usize);
                send(&meters, greedier, VOTE - 1);
            }
            while send(&meters, greedy, VOTE - 1) == Some(Admission::Admitted) {}
            while send(&meters, greedier, VOTE - 1) == Some(Admission::Admitted) {}
            let votes =
                (0..16).filter(|_| send(&meters, honest, VOTE) == Some(Admission::Admitted));
            assert_eq!(votes.count(), 16);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_votes_leave_most_of_the_queue_to_the_chain_to_others() {
        let meters = meters();
        let strangers = [(); 16].map(|()| PeerId::random());
        let mut votes = 0;
        for peer in strangers.into_iter().cycle().take(16 * 512) {
            if send(&meters, peer, VOTE) == Some(Admission::Admitted) {
                meters.hold(peer, Topic::Attestation, VOTE);
                votes += 1;
            }
        }
        assert_eq!(votes, 2_048);
        // Who becomes known makes room, and takes it back.
        let is_admitted = || send(&meters, strangers[1], VOTE) == Some(Admission::Admitted);
        assert!(!is_admitted());
        meters.set_known(strangers[0], true);
        assert!(is_admitted());
        meters.set_known(strangers[0], false);
        assert!(!is_admitted());
        for _ in 0..128 {
            meters.release(&strangers[0], Topic::Attestation, VOTE);
        }
        assert!(is_admitted());
    }

    #[tokio::test(start_paused = true)]
    async fn votes_under_validation_are_bounded_for_each_peer_though_it_leaves_and_for_all() {
        let meters = meters();
        let vote = |peer: PeerId| {
            let admission = send(&meters, peer, VOTE);
            if admission == Some(Admission::Admitted) {
                meters.hold(peer, Topic::Attestation, VOTE);
            }
            admission == Some(Admission::Admitted)
        };
        let votes = |peer| (0..5_000).filter(|_| vote(peer)).count();
        let stranger = PeerId::random();
        assert_eq!(votes(stranger), STRANGER_VOTES);
        meters.forget(&stranger);
        assert_eq!(votes(stranger), 0);
        assert_eq!(send(&meters, stranger, 100), Some(Admission::Admitted));
        let known = [(); 3].map(|()| PeerId::random());
        for peer in known {
            meters.set_known(peer, true);
        }
        assert_eq!(
            known.map(votes),
            [KNOWN_VOTES, ALL_VOTES - STRANGER_VOTES - KNOWN_VOTES, 0]
        );
        meters.release(&stranger, Topic::Attestation, VOTE);
        assert!(vote(stranger) && !vote(known[2]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_muted_after_it_has_left_is_heard_when_it_comes_back() {
        let (meters, peer) = (meters(), PeerId::random());
        assert_eq!(send(&meters, peer, 100), Some(Admission::Admitted));
        meters.forget(&peer);
        meters.mute(&peer);
        assert!(meters.lock().peers.is_empty());
        assert_eq!(send(&meters, peer, 100), Some(Admission::Admitted));
    }

    #[tokio::test(start_paused = true)]
    async fn the_votes_of_the_largest_registry_stay_within_the_budgets() {
        let meters = meters();
        let known = PeerId::random();
        meters.set_known(known, true);
        for _ in 0..10 {
            assert_eq!(send(&meters, known, BLOCK), Some(Admission::Admitted));
            for _ in 0..4_096 {
                assert_eq!(send(&meters, known, VOTE), Some(Admission::Admitted));
            }
            tokio::time::advance(Duration::from_secs(4)).await;
        }
        assert_eq!(faults(&meters), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_dropped_and_counts_one_fault_for_128_messages() {
        let meters = meters();
        let peer = PeerId::random();
        let sent = 40_000;
        let seen = (0..sent)
            .filter(|_| send(&meters, peer, 100).is_some())
            .count();
        assert_eq!(seen, RPC_BURST as usize);
        assert_eq!(faults(&meters), (sent - RPC_BURST) / DROPPED_PER_FAULT);
        meters.mute(&peer);
        assert_eq!(send(&meters, peer, 100), None);
        assert_eq!(faults(&meters), 0);
    }
}
