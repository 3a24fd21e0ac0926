//! Votes that come again.

use std::collections::BTreeMap;

use quartet_types::{Attestation, Slot, ValidatorIndex};
use rand::RngExt as _;

use super::{ACCEPTED, Act};
use crate::{SimulationError, fuzz::scene::Scene};

/// How often any vote that is old enough is taken, rather than the newest of them.
const ANY: f64 = 0.3;

/// Without any key: sends votes of long ago again, when the newer ones have just been accepted, so that
/// the old ones are accepted in the next slot, after them.
pub(super) struct ReplayVotes {
    pub(super) age: Slot,
}

impl Act for ReplayVotes {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        if scene.now.ms != ACCEPTED {
            return Ok(());
        }
        let nodes = scene.running();
        let observer = scene.world.observer();
        let latest = scene.now.slot.saturating_sub(self.age);
        let mut old: BTreeMap<ValidatorIndex, Attestation> = BTreeMap::new();
        for vote in observer.log.votes() {
            if vote.data.slot <= latest
                && (!old.contains_key(&vote.validator_id) || !scene.random.random_bool(ANY))
            {
                old.insert(vote.validator_id, *vote);
            }
        }
        let old: Vec<_> = old
            .values()
            .filter_map(|vote| observer.log.signed(vote))
            .collect();
        drop(observer);
        for vote in old {
            scene.send_vote(&nodes, vote);
        }
        Ok(())
    }
}
