//! Votes of our own validators, as they come back from the network: the validator service compares them with what it has
//! signed.

use std::{collections::BTreeSet, sync::Arc};

use metrics::counter;
use quartet_types::{Attestation, ValidatorIndex};
use tokio::sync::mpsc;

/// Votes that may wait to be compared. More come only while a node catches up, and are old; they are dropped.
const QUEUE: usize = 4096;

/// Tells of votes with valid signatures by some validators, in blocks and in gossip. Their own node's are among them.
#[derive(Clone, Debug)]
pub struct Sightings {
    validators: Arc<BTreeSet<ValidatorIndex>>,
    seen: mpsc::Sender<Attestation>,
}

/// Watches for votes of these validators. Of those that wait to be looked at there are at most 4,096; more are dropped.
pub fn watch_validators(
    validators: impl IntoIterator<Item = ValidatorIndex>,
) -> (Sightings, mpsc::Receiver<Attestation>) {
    let (seen, receiver) = mpsc::channel(QUEUE);
    let validators = Arc::new(validators.into_iter().collect());
    (Sightings { validators, seen }, receiver)
}

impl Sightings {
    /// The validators that are watched.
    pub(crate) fn validators(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        self.validators.iter().copied()
    }

    /// Tells of votes whose signatures have been verified.
    pub(crate) fn tell<'a>(&self, votes: impl Iterator<Item = &'a Attestation>) {
        for vote in votes.filter(|vote| self.validators.contains(&vote.validator_id)) {
            if self.seen.try_send(*vote).is_err() {
                counter!("quartet_own_votes_unseen_total").increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_of_watched_validators_are_told_until_the_queue_is_full() {
        let (sightings, mut seen) = watch_validators([5, 2]);
        assert!(sightings.validators().eq([2, 5]));
        let vote = |validator_id| Attestation {
            validator_id,
            ..Attestation::default()
        };
        let votes: Vec<_> = (0..9).map(vote).collect();
        sightings.tell(votes.iter());
        assert_eq!(seen.try_recv().unwrap(), vote(2));
        assert_eq!(seen.try_recv().unwrap(), vote(5));
        assert!(seen.try_recv().is_err());
        for _ in 0..QUEUE {
            sightings.tell(votes.iter());
        }
        assert_eq!(seen.len(), QUEUE);
    }
}
