//! Attestations from gossip come one by one; together they cost a third to verify.

use std::time::Duration;

use quartet_types::SlotDuration;
use tokio::time::Instant;

use super::{MAX_BATCH, MAX_BATCHES};
use crate::GossipAttestation;

/// So many fill the lanes of the verification several times: no reason to wait for more.
const FULL: usize = 64;
/// How long the first vote of a batch waits for others: short against an interval of a second, and hundreds come in that time
/// when all validators vote. In short slots, no more than a hundredth of one.
const LINGER: Duration = Duration::from_millis(8);

/// The next batch, [`MAX_BATCH`] at most.
#[derive(Debug)]
pub(super) struct Gathering {
    linger: Duration,
    items: Vec<GossipAttestation>,
    /// When the first one has waited for long enough.
    deadline: Option<Instant>,
}

impl Gathering {
    /// None yet, in a network of such slots.
    pub(super) fn new(slot: SlotDuration) -> Self {
        Self {
            linger: LINGER.min(slot.slot() / 100),
            items: Vec::new(),
            deadline: None,
        }
    }

    /// Whether none wait.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many more are taken in.
    pub(super) fn room(&self) -> usize {
        MAX_BATCH - self.items.len()
    }

    /// Takes some in, no more than there is room for.
    pub(super) fn push(&mut self, items: Vec<GossipAttestation>) {
        if self.items.is_empty() && !items.is_empty() {
            self.deadline = Some(Instant::now() + self.linger);
        }
        self.items.extend(items);
        if self.items.len() >= FULL {
            self.deadline = Some(Instant::now());
        }
    }

    /// When the batch is to be verified, provided that no more than so many `batches` are.
    pub(super) fn deadline(&self, batches: usize) -> Option<Instant> {
        self.deadline.filter(|_| batches < MAX_BATCHES)
    }

    /// The batch.
    pub(super) fn take(&mut self) -> Vec<GossipAttestation> {
        self.deadline = None;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use quartet_types::{Attestation, Signature, SignedAttestation};
    use tokio::sync::oneshot;

    use super::*;
    use crate::PeerName;

    fn items(count: usize) -> Vec<GossipAttestation> {
        let item = |_| GossipAttestation {
            attestation: SignedAttestation {
                message: Attestation::default(),
                signature: Signature::default(),
            },
            peer: PeerName::new("someone"),
            verdict: oneshot::channel().0,
        };
        (0..count).map(item).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_vote_waits_for_others_from_its_own_arrival_on() {
        let mut gathering = Gathering::new(SlotDuration::default());
        assert_eq!(gathering.deadline(0), None);
        gathering.push(items(1));
        let deadline = Instant::now() + LINGER;
        assert_eq!(gathering.deadline(0), Some(deadline));
        tokio::time::advance(LINGER / 2).await;
        gathering.push(items(1));
        assert_eq!(gathering.deadline(0), Some(deadline));
        assert_eq!((gathering.take().len(), gathering.deadline(0)), (2, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_does_not_wait_but_for_a_place() {
        let mut gathering = Gathering::new(SlotDuration::default());
        gathering.push(items(FULL));
        assert_eq!(gathering.deadline(0), Some(Instant::now()));
        assert_eq!(gathering.deadline(MAX_BATCHES), None);
        gathering.push(items(gathering.room()));
        assert_eq!(gathering.room(), 0);
        assert_eq!(gathering.take().len(), MAX_BATCH);
    }
}
