//! A run of the service through a part of the recording that is whole.

use std::time::Duration;

use quartet_chain::{ReplayedService, StoreError};
use quartet_recording::{Decision, Event, Job, Taken};
use quartet_types::Slot;

use crate::{journey::Journey, requests::Requests, slot_line::Counts};

/// Most jobs that are finished at a tick without the recording's saying so.
const MAX_FORGOTTEN: usize = 4096;

/// A run of the service through a part of the recording that is whole.
pub(crate) struct Run {
    pub(crate) service: ReplayedService,
    pub(crate) event: Option<Event>,
    pub(crate) number: u64,
    pub(crate) slot: Slot,
    /// The slot from which on differences count, after a beginning in the middle.
    pub(crate) settled: Option<Slot>,
    pub(crate) requests: Requests,
    pub(crate) counts: Counts,
    pub(crate) journey: Option<Journey>,
    /// When a wanted block was imported.
    pub(crate) imported_in: Option<Slot>,
    /// The jobs that were held at the last tick.
    pub(crate) forgotten: Vec<Job>,
    pub(crate) began: Duration,
    pub(crate) at: Duration,
    pub(crate) genesis: Duration,
    pub(crate) slot_length: Duration,
}

impl Run {
    pub(crate) fn slot_at(&self, at: Duration) -> Slot {
        let since = at.saturating_sub(self.genesis).as_millis();
        let slot = since / self.slot_length.as_millis().max(1);
        Slot::try_from(slot).unwrap_or(Slot::MAX)
    }

    /// Jobs that were begun here and not there, or before the beginning, are finished when they were there at the tick before;
    /// and what they lead to.
    pub(crate) fn finish_forgotten(&mut self, taken: &Taken) -> Result<(), StoreError> {
        if !matches!(taken, Taken::Tick { .. }) {
            return Ok(());
        }
        let held = self.service.held_jobs();
        let is_forgotten = |job: &&Job| self.forgotten.contains(job);
        let mut forgotten: Vec<Job> = held.iter().filter(is_forgotten).copied().collect();
        for _ in 0..MAX_FORGOTTEN {
            let Some(job) = forgotten.pop() else {
                break;
            };
            self.service.finish(job)?;
            let new = self.service.held_jobs().into_iter();
            forgotten.extend(new.filter(|job| !held.contains(job)));
            forgotten.dedup();
        }
        self.forgotten = self.service.held_jobs();
        Ok(())
    }

    pub(crate) fn note_journey(&mut self, event: &Event, replayed: &[Decision]) {
        let Some(journey) = &mut self.journey else {
            return;
        };
        let slot_start =
            self.genesis.as_millis() + u128::from(self.slot) * self.slot_length.as_millis();
        let since = event.at.as_millis().saturating_sub(slot_start);
        let since = Duration::from_millis(u64::try_from(since).unwrap_or_default());
        journey.note(self.slot, since, event, replayed);
        let wanted = journey.found;
        let imported = replayed.iter().any(|decision| match decision {
            Decision::Imported(block) => Some(block.root) == wanted,
            _ => false,
        });
        if imported {
            self.imported_in = Some(self.slot);
        }
    }
}
