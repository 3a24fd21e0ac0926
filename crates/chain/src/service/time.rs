//! What the service does by the clock: ticks, the start of a proposal, and reports.

use std::sync::Arc;

use metrics::{counter, gauge, histogram};
use quartet_clock::Tick;
use quartet_processor::Priority;
use quartet_types::{INTERVALS_PER_SLOT, Root, Slot, State};
use tokio::{sync::oneshot, time::Instant};
use tracing::warn;

use super::{ChainService, jobs::Done};
use crate::{ChainEvent, ImportError, StoreError};

impl ChainService {
    pub(super) fn on_tick(&mut self, tick: Tick) {
        histogram!("quartet_tick_delay_seconds").record(tick.late.as_secs_f64());
        let now = Instant::now();
        if let Some(last) = self.last_tick.replace(now) {
            histogram!("lean_tick_interval_duration_seconds").record((now - last).as_secs_f64());
        }
        if tick.missed > 0 {
            counter!("quartet_ticks_missed_total").increment(tick.missed);
            warn!(
                ticks = tick.missed,
                slot = tick.slot,
                "the clock jumped ahead, or the machine slept"
            );
        }
        self.advance_to_now();
        // At any tick: the one at which the slot began may have been missed.
        let (blocks, attestations) = self.early.take_until(tick.slot);
        for block in blocks {
            self.dispatch(block);
        }
        // Their signatures were verified before they were held.
        self.count(attestations);
        if tick.interval == 0 {
            // By the chain's own time, which goes on when the clock is set back.
            let current = self.chain.read().current_slot();
            self.parking.drop_late_verdicts(current);
        }
        if tick.interval + 1 == INTERVALS_PER_SLOT {
            self.tell_watchers(ChainEvent::SlotEnd(tick.slot));
        }
        self.report_memory();
        self.measure_progress(tick.interval == 0);
        self.look_for_vouchers();
        self.sync.on_tick();
        self.poll_sync();
        self.tick_readiness();
        self.tick_past();
    }

    fn report_memory(&self) {
        let (memory, blocks, votes) = {
            let chain = self.chain.read();
            let blocks = chain.fork_choice().block_count();
            (chain.memory(), blocks, chain.held_votes())
        };
        gauge!("lean_gossip_signatures").set(votes as f64);
        gauge!("quartet_recent_states_bytes").set(memory.states as f64);
        gauge!("quartet_recent_blocks_bytes").set(memory.blocks as f64);
        gauge!("quartet_unwritten_blocks_bytes").set(memory.unwritten as f64);
        gauge!("quartet_fork_choice_blocks").set(blocks as f64);
    }

    /// Moves the chain's time to the clock's. A message may be taken before the tick that was due earlier.
    pub(super) fn advance_to_now(&self) {
        let now = self.clock.intervals();
        if self.chain.read().time() < now {
            self.change(|chain| chain.advance(now));
        }
    }

    /// Before a proposal: advances to the start of `slot`, accepts the new attestations, and rebuilds the head's state if it is
    /// not at hand.
    pub(super) fn prepare_proposal(&mut self, slot: Slot, ready: oneshot::Sender<()>) {
        self.advance_to_now();
        self.change(|chain| {
            chain.advance(slot * INTERVALS_PER_SLOT);
            chain.accept_new_attestations();
        });
        let root = {
            let chain = self.chain.read();
            chain.head_state().is_none().then(|| chain.head().root)
        };
        let Some(root) = root else {
            // The validator service may have stopped meanwhile.
            let _ = ready.send(());
            return;
        };
        let reader = self.reader.clone();
        self.spawn(
            Priority::Duty,
            move || reader.state(root),
            move |state| {
                let failed = |error: ImportError| Err(StoreError(error.to_string()));
                let state = state.unwrap_or_else(failed);
                Done::HeadState { root, state, ready }
            },
        );
    }

    pub(super) fn on_head_state(
        &mut self,
        root: Root,
        state: Result<Option<Arc<State>>, StoreError>,
        ready: oneshot::Sender<()>,
    ) {
        match state {
            Ok(Some(state)) => drop(self.change(|chain| chain.insert_state(root, state))),
            Ok(None) => warn!(%root, "the head's state cannot be rebuilt"),
            Err(error) => warn!(%root, %error, "the head's state cannot be rebuilt"),
        }
        let _ = ready.send(());
    }
}
