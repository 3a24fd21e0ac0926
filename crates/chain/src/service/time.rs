//! What time does to the chain: ticks, proposals, and the state of catching up.

use metrics::{counter, histogram};
use quartet_clock::Tick;
use quartet_types::{INTERVALS_PER_SLOT, Slot};
use tracing::warn;

use super::ChainService;
use crate::ChainEvent;

impl ChainService {
    pub(super) fn on_tick(&mut self, tick: Tick) {
        histogram!("quartet_tick_delay_seconds").record(tick.late.as_secs_f64());
        if tick.missed > 0 {
            counter!("quartet_ticks_missed_total").increment(tick.missed);
            warn!(
                ticks = tick.missed,
                slot = tick.slot,
                "the clock jumped ahead, or the machine slept"
            );
        }
        self.catch_up_time();
        if tick.interval == 0 {
            let (blocks, attestations) = self.parking.begin_slot(tick.slot);
            for block in blocks {
                self.dispatch(block);
            }
            // Their signatures were verified before they were held.
            self.count(attestations);
        }
        if tick.interval + 1 == INTERVALS_PER_SLOT {
            self.events.send(ChainEvent::SlotEnd(tick.slot));
        }
        self.measure_progress(tick.interval == 0);
        self.look_for_vouchers();
        self.sync.on_tick();
        self.poll_sync();
        self.tick_readiness();
    }

    /// Moves the chain's time to the clock's. Messages may be taken before the tick of their moment is.
    pub(super) fn catch_up_time(&self) {
        let now = self.clock.intervals();
        if self.chain.read().time() < now {
            self.change(|chain| chain.advance(now));
        }
    }

    /// Advances to the start of `slot` and accepts the new attestations before a proposal.
    pub(super) fn prepare_proposal(&self, slot: Slot) {
        self.catch_up_time();
        self.change(|chain| {
            chain.advance(slot * INTERVALS_PER_SLOT);
            chain.accept_new_attestations();
        });
    }
}
