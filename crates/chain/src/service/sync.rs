//! Catching up as part of the service: it shows `quartet-sync` the chain, carries out its actions, and tells whether duties are
//! done. All decisions are made there.

use std::{collections::HashMap, ops::RangeInclusive};

use quartet_sync::{
    Action, ReadinessInputs, ReadinessUpdate, SyncMachine, SyncProgress, SyncState,
};
use quartet_types::{Checkpoint, Root, Slot};
use tracing::{debug, info, warn};

use super::ChainService;
use crate::{ChainEvent, ChainWriter, NetworkMessage, parking::Parking, pending::PendingBlock};

/// What sync sees: the chain, the parking, and the blocks being checked.
pub(super) struct SyncView<'a> {
    chain: &'a ChainWriter,
    parking: &'a Parking,
    checking: &'a HashMap<Root, PendingBlock>,
}

impl quartet_sync::ChainView for SyncView<'_> {
    fn in_chain(&self, root: &Root) -> bool {
        self.chain.read().contains(root)
    }

    fn pending(&self, root: &Root) -> bool {
        self.parking.contains(root) || self.checking.contains_key(root)
    }

    fn missing_ancestor(&self, root: Root) -> Root {
        self.parking.missing_ancestor(root)
    }

    fn head_slot(&self) -> Slot {
        self.chain.read().head().slot
    }

    fn canonical_root(&self, slot: Slot) -> Option<Root> {
        self.chain.read().canonical_root(slot)
    }

    fn finalized(&self) -> Checkpoint {
        self.chain.read().latest_finalized()
    }

    fn current_slot(&self) -> Slot {
        self.chain.read().current_slot()
    }
}

impl ChainService {
    /// Runs sync against what it needs to know of the chain and the parking.
    pub(super) fn with_sync<T>(
        &mut self,
        run: impl FnOnce(&mut SyncMachine, &SyncView<'_>) -> T,
    ) -> T {
        let view = SyncView {
            chain: &self.chain,
            parking: &self.parking,
            checking: &self.checking,
        };
        run(&mut self.sync, &view)
    }

    pub(super) fn poll_sync(&mut self) {
        let actions = self.with_sync(|sync, view| sync.poll(view));
        self.act(actions);
    }

    /// Carries out what sync has decided.
    pub(super) fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            let request = action.request();
            match &action {
                Action::RequestBlocks { peer, roots, .. } => {
                    debug!(%peer, first = ?roots.first(), count = roots.len(), "asking for blocks");
                }
                Action::RequestRange {
                    peer,
                    start_slot,
                    count,
                    ..
                } => debug!(%peer, start_slot, count, "asking for a range of blocks"),
                Action::Disconnect { .. } | Action::Penalize { .. } => {}
            }
            if !self.tell_network(NetworkMessage::from(action))
                && let Some(request) = request
            {
                // The network is busy; the next poll asks again.
                let unsent = Err(crate::RequestError::NotSent);
                self.with_sync(|sync, view| sync.on_response(request, &unsent, view));
            }
        }
    }

    fn situation(&self) -> ReadinessInputs {
        let (head, current_slot, state) = {
            let chain = self.chain.read();
            (chain.head().slot, chain.current_slot(), chain.sync_state())
        };
        let missing_in = |slots| self.missing(slots);
        // Not followed up: it may merely be late.
        let is_starting = state == SyncState::Starting;
        ReadinessInputs {
            now: self.clock.now(),
            current_slot,
            head,
            gap: self.sync.target(head),
            missing: quartet_sync::missing_slots(current_slot).and_then(missing_in),
            lacks_recent: is_starting
                && missing_in(quartet_sync::recent_slots(current_slot)).is_some(),
            has_heard_all: self.sync.has_peer_status() && !self.sync.has_gaps(),
        }
    }

    /// The newest slot that validators have signed for on a chain that is not here, if in these slots more than a third of all have
    /// done so. A validator that has since voted for a known block does not count: what it signed before may have been
    /// abandoned.
    fn missing(&self, slots: RangeInclusive<Slot>) -> Option<Slot> {
        let chain = self.chain.read();
        let newest_vote = |validator| chain.fork_choice().newest_vote_slot(validator);
        let has_moved_on = |validator, slot| newest_vote(validator) > Some(slot);
        let (signers, newest) = self.parking.signers(slots, has_moved_on);
        let validators = chain.validator_count() as usize;
        newest.filter(|_| signers.len() > validators / 3)
    }

    /// A tick has passed.
    pub(super) fn tick_readiness(&mut self) {
        let situation = self.situation();
        self.readiness.on_tick(&situation);
        self.follow(&situation);
    }

    /// Finds out how far the node is with catching up, and says so when that has changed.
    pub(super) fn update_sync_state(&mut self) {
        let situation = self.situation();
        self.follow(&situation);
    }

    fn follow(&mut self, situation: &ReadinessInputs) {
        let Some(ReadinessUpdate { state, is_cut_off }) = self.readiness.update(situation) else {
            return;
        };
        let before = self.chain.read().sync_state();
        self.chain.change(|chain| chain.set_sync_state(state));
        self.tell_watchers(ChainEvent::Sync(state));
        if is_cut_off && before == SyncState::Synced {
            warn!(
                "more than a third of the validators have signed blocks that are not here, and no peer has served them"
            );
        }
        let head = situation.head;
        match state {
            SyncState::Starting => {}
            SyncState::Syncing { target } => {
                let behind = target.saturating_sub(head);
                info!(head, target, behind, "catching up; duties wait");
            }
            SyncState::Synced => info!(head, "synced"),
        }
    }

    /// Measures how fast the node catches up, and tells of it once a slot.
    pub(super) fn measure_progress(&mut self, tells: bool) {
        let head = self.chain.read().head().slot;
        let Some(progress) = self.readiness.measure(self.clock.now(), head) else {
            return;
        };
        let SyncProgress {
            speed,
            behind,
            seconds_left,
        } = progress;
        self.chain.change(|chain| chain.set_sync_speed(speed));
        if tells {
            let target = head + behind;
            info!(
                head,
                target,
                behind,
                slots_per_second = speed,
                seconds_left,
                "catching up"
            );
        }
    }
}
