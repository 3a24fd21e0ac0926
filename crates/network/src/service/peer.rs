//! What the service knows of a connected peer.

use std::time::Duration;

use libp2p::swarm::ConnectionId;
use quartet_chain::{Direction, PeerName};
use quartet_types::{MAX_REQUEST_BLOCKS, SlotDuration};

use crate::{
    address::AddressGroup, gossip::Standing, penalties::Penalties, server::PeerQuota,
    token_bucket::TokenBucket,
};

/// Statuses that a peer may send in a burst, and per second, and how often it may say who it is; real clients send one every few
/// seconds.
const STATUS_BURST: u32 = 8;
const STATUSES_PER_SECOND: u32 = 1;
/// Roots that a peer may ask for in a burst, and per second. A request costs one besides its roots, so
/// that a node that catches up parent by parent gets half as many blocks.
const ROOTS_BURST: u32 = 4 * MAX_REQUEST_BLOCKS as u32;
const ROOTS_PER_SECOND: u32 = 2 * MAX_REQUEST_BLOCKS as u32;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: PeerName,
    /// Its connections, the oldest first; at least one.
    pub(super) connections: Vec<PeerConnection>,
    /// The software it says it runs.
    pub(super) agent: Option<String>,
    /// When we last asked for its status.
    pub(super) status_asked_at: Option<Duration>,
    /// How long it took to answer.
    pub(super) latency: Option<Duration>,
    /// When it last told us its status.
    pub(super) status_heard_at: Option<Duration>,
    /// Whether it may answer if we ask for its status.
    pub(super) supports_status: bool,
    /// When to ask for its status again.
    pub(super) status_backoff: StatusBackoff,
    pub(super) penalties: Penalties,
    /// What gossipsub allowed it when we last looked.
    pub(super) standing: Standing,
    /// What limits by address count it for, if they apply.
    pub(super) address: Option<AddressGroup>,
    /// When it last brought something valid first, if ever.
    pub(super) delivered_at: Option<Duration>,
    /// When it was last useful, by that or by serving what we asked for.
    pub(super) useful_at: Option<Duration>,
    /// How often it has been useful; older times count less.
    pub(super) usefulness: f64,
    /// Whether it has subscribed to a topic of ours.
    pub(super) subscribed: bool,
    pub(super) statuses: TokenBucket,
    /// What it says of itself.
    pub(super) identities: TokenBucket,
    /// What looking up what it asks for may cost, in roots.
    pub(super) roots: TokenBucket,
    /// What it may be sent.
    pub(super) quota: PeerQuota,
}

/// A connection.
#[derive(Debug)]
pub(super) struct PeerConnection {
    pub(super) id: ConnectionId,
    pub(super) direction: Direction,
    pub(super) since: Duration,
}

impl Peer {
    pub(super) fn new(name: PeerName, link: PeerConnection, address: Option<AddressGroup>) -> Self {
        let now = link.since;
        Self {
            name,
            connections: vec![link],
            agent: None,
            status_asked_at: None,
            latency: None,
            status_heard_at: None,
            supports_status: true,
            penalties: Penalties::default(),
            standing: Standing::default(),
            address,
            delivered_at: None,
            useful_at: None,
            usefulness: 0.0,
            subscribed: false,
            status_backoff: StatusBackoff::default(),
            statuses: TokenBucket::new(STATUS_BURST, STATUSES_PER_SECOND, now),
            identities: TokenBucket::new(STATUS_BURST, STATUSES_PER_SECOND, now),
            roots: TokenBucket::new(ROOTS_BURST, ROOTS_PER_SECOND, now),
            quota: PeerQuota::default(),
        }
    }
}

/// When a peer that does not answer is asked again: after a slot, then after twice as many each time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StatusBackoff {
    unanswered: u32,
    not_before: Duration,
}

impl StatusBackoff {
    /// Most slots between two questions.
    const MAX_SLOTS: u32 = 64;

    /// Whether it is time to ask. If so, the request counts as unanswered until [`Self::reset`].
    pub(super) fn may_ask(&mut self, now: Duration, slot: SlotDuration) -> bool {
        if now < self.not_before {
            return false;
        }
        let slots = 2u32.saturating_pow(self.unanswered.min(16));
        let slots = slots.min(Self::MAX_SLOTS);
        self.not_before = now + slot.slot() * slots;
        self.unanswered += 1;
        true
    }

    /// The peer has told us its status.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_never_answers_is_asked_ever_less_often() {
        let mut backoff = StatusBackoff::default();
        let duration = SlotDuration::default();
        let at = |slot| duration.slots(slot);
        let may_ask = |backoff: &mut StatusBackoff, slot| backoff.may_ask(at(slot), duration);
        let mut asked = |slots: std::ops::Range<u64>| {
            let asked: Vec<_> = slots.filter(|slot| may_ask(&mut backoff, *slot)).collect();
            asked
        };
        assert_eq!(asked(0..60), [0, 1, 3, 7, 15, 31]);
        assert_eq!(asked(60..200), [63, 127, 191]);
        backoff.reset();
        assert!(may_ask(&mut backoff, 200));
    }
}
