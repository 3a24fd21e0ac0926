//! The outcome of each duty, for metrics, the log and watchers.

use std::time::Duration;

use metrics::counter;
use quartet_chain::{ChainEvent, Duty, DutyKind, DutyOutcome};
use quartet_types::{Slot, ValidatorIndex};
use tracing::warn;

use crate::ValidatorService;

impl ValidatorService {
    /// How long ago a duty was due.
    fn since_due(&self, kind: DutyKind, slot: Slot) -> Duration {
        let due = match kind {
            DutyKind::Proposal => Duration::ZERO,
            DutyKind::Attestation => self.clock.slot_duration().interval(),
        };
        self.clock.since_slot(slot).saturating_sub(due)
    }

    /// A duty was done just now. It is late after the next tick: others have voted without the block, or the safe
    /// target was computed without the vote.
    pub(crate) fn tell_of_duty(&self, kind: DutyKind, slot: Slot, validators: Vec<ValidatorIndex>) {
        let delay = self.since_due(kind, slot);
        let is_late = delay >= self.clock.slot_duration().interval();
        if is_late && kind == DutyKind::Attestation {
            let (attestations, delay_ms) = (validators.len(), delay.as_millis() as u64);
            warn!(slot, attestations, delay_ms, "attested late");
            counter!("quartet_attestations_late_total").increment(attestations as u64);
        }
        let outcome = if is_late {
            DutyOutcome::Late
        } else {
            DutyOutcome::Done
        };
        self.tell(kind, slot, validators, outcome, delay);
    }

    /// A block that was due was not published.
    pub(crate) fn tell_of_missed_proposal(&self, slot: Slot, proposer: ValidatorIndex) {
        counter!("quartet_proposals_missed_total").increment(1);
        self.tell_of_missed(DutyKind::Proposal, slot, vec![proposer]);
    }

    /// Votes that were due were not published. The reason has been logged.
    pub(crate) fn tell_of_missed_votes(&self, slot: Slot, validators: Vec<ValidatorIndex>) {
        if !validators.is_empty() {
            self.tell_of_missed(DutyKind::Attestation, slot, validators);
        }
    }

    fn tell_of_missed(&self, kind: DutyKind, slot: Slot, validators: Vec<ValidatorIndex>) {
        let delay = self.since_due(kind, slot);
        self.tell(kind, slot, validators, DutyOutcome::Missed, delay);
    }

    fn tell(
        &self,
        kind: DutyKind,
        slot: Slot,
        validators: Vec<ValidatorIndex>,
        outcome: DutyOutcome,
        delay: Duration,
    ) {
        self.events.send(ChainEvent::Duty(Duty {
            kind,
            slot,
            validators: validators.into(),
            outcome,
            delay,
        }));
    }
}
