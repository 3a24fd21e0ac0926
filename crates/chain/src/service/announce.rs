//! How others learn what the service has done: watchers by events, the network by messages, the validator service by sightings.

use metrics::{counter, histogram};
use quartet_types::{Attestation, Checkpoint};
use tracing::{info, warn};

use super::{ChainService, tape};
use crate::{ChainEvent, LeanChain, NetworkMessage, equivocations::Found, shared::Changes};

impl ChainService {
    /// Tells of votes whose signatures have been verified.
    pub(super) fn tell_of_sightings<'a>(&self, votes: impl Iterator<Item = &'a Attestation>) {
        if let Some(sightings) = &self.sightings {
            sightings.tell(votes);
        }
    }

    /// Tells the watchers of something.
    pub(super) fn tell_watchers(&self, event: ChainEvent) {
        if let Some(decision) = tape::decision_of(&event) {
            self.tape.decide(|| decision);
        }
        self.events.send(event);
    }

    /// Sends the network a message if there is room, and says whether there was.
    pub(super) fn tell_network(&self, message: NetworkMessage) -> bool {
        let asked = |is_sent| tape::asked(&message, is_sent);
        let (if_sent, if_not) = if self.tape.is_on() {
            (asked(true), asked(false))
        } else {
            (None, None)
        };
        let is_sent = self
            .tape
            .was_sent()
            .unwrap_or_else(|| self.network.try_send(message));
        if let Some(decision) = if is_sent { if_sent } else { if_not } {
            self.tape.decide(|| decision);
        }
        is_sent
    }

    /// Changes the chain under the write lock and tells the watchers what that changed.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut LeanChain) -> T) -> T {
        self.change_for(change, |_| None)
    }

    /// As [`Self::change`]; watchers are first told the `cause`, if the outcome says that there is one.
    pub(super) fn change_for<T>(
        &self,
        change: impl FnOnce(&mut LeanChain) -> T,
        cause: impl FnOnce(&T) -> Option<ChainEvent>,
    ) -> T {
        let (result, changes) = self.chain.change_and_compare(change);
        if let Some(cause) = cause(&result) {
            self.tell_watchers(cause);
        }
        self.announce(&changes);
        result
    }

    fn announce(&self, changes: &Changes) {
        let (before, after, reorg_depth) = (&changes.before, &changes.after, changes.reorg_depth);
        let changed = |before: Checkpoint, after: Checkpoint| (before != after).then_some(after);
        if let Some(head) = changed(before.head, after.head) {
            if reorg_depth > 0 {
                counter!("lean_fork_choice_reorgs_total").increment(1);
                histogram!("lean_fork_choice_reorg_depth").record(reorg_depth as f64);
                info!(from = %before.head, to = %head, depth = reorg_depth, "reorg");
            }
            self.tell_watchers(ChainEvent::Head {
                before: before.head,
                head,
                reorg_depth,
            });
        }
        if let Some(justified) = changed(before.justified, after.justified) {
            self.tell_watchers(ChainEvent::Justified(justified));
        }
        if let Some(finalized) = changed(before.finalized, after.finalized) {
            counter!("lean_finalizations_total", "result" => "success").increment(1);
            self.tell_watchers(ChainEvent::Finalized(finalized));
        }
        if let Some(safe_target) = changed(before.safe_target, after.safe_target) {
            self.tell_watchers(ChainEvent::SafeTarget(safe_target));
        }
        if changes.equivocation_count > 0 {
            counter!("quartet_equivocations_total").increment(changes.equivocation_count);
        }
        for found in &changes.equivocations {
            self.announce_equivocation(found);
        }
    }

    fn announce_equivocation(&self, found: &Found) {
        let Found {
            validator,
            slot,
            is_first,
        } = *found;
        // Once for each validator: a client with this fault repeats it in every slot.
        if is_first {
            warn!(
                validator,
                slot, "a validator has signed two messages for one slot"
            );
        }
        self.tell_watchers(ChainEvent::Equivocation { validator, slot });
    }
}
