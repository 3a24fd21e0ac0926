//! What each validator has done since the node was started, as this node saw it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use quartet_types::{Attestation, AttestationData, Checkpoint, Slot, ValidatorIndex};
use serde::Serialize;

/// Slots whose votes are kept one by one.
pub(crate) const KEPT_SLOTS: usize = 32;
/// Different votes of one slot that are kept; honest validators cast one or two. Further ones are counted and not kept.
const MAX_DISTINCT_VOTES: usize = 64;

/// What a validator has done.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Record {
    /// Slots that were watched.
    pub(crate) slots: u64,
    votes: Votes,
    proposals: Proposals,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Votes {
    /// Seen in the first half of their slot.
    on_time: u64,
    /// Seen later, until the end of the next slot.
    late: u64,
    /// Not seen by then.
    missed: u64,
    /// Found in a block.
    included: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Proposals {
    done: u64,
    missed: u64,
}

/// The last vote that was seen of a validator.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LastVote {
    slot: Slot,
    head: Checkpoint,
    at: u64,
}

#[derive(Clone, Debug, Default)]
struct Validator {
    record: Record,
    last: Option<LastVote>,
    /// The newest slot of a vote that was found in a block.
    included: Option<Slot>,
}

/// A vote, as it is kept.
#[derive(Clone, Copy, Debug)]
struct VoteArrival {
    /// Unix milliseconds.
    at: u64,
    /// Whether that was in the first half of its slot.
    on_time: bool,
    /// Its index in [`SlotRecord::distinct`], unless there were too many different votes.
    kind: Option<u8>,
}

#[derive(Clone, Debug, Default)]
struct SlotRecord {
    slot: Slot,
    votes: BTreeMap<ValidatorIndex, VoteArrival>,
    distinct: Vec<AttestationData>,
    proposed: BTreeSet<ValidatorIndex>,
}

/// A vote that was seen.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SeenVote {
    validator_id: ValidatorIndex,
    at: u64,
    head: Checkpoint,
    target: Checkpoint,
    source: Checkpoint,
}

/// The records of all validators. Bounded by their number, and [`KEPT_SLOTS`] of votes.
#[derive(Debug, Default)]
pub(crate) struct Records {
    validators: Vec<Validator>,
    /// The last slots, in ascending order.
    slots: VecDeque<SlotRecord>,
    /// The first slot that was watched from its start.
    since: Option<Slot>,
}

impl Records {
    /// The records of this many validators, from the slot `since` on.
    pub(crate) fn new(validators: usize, since: Slot) -> Self {
        Self {
            validators: vec![Validator::default(); validators],
            slots: VecDeque::new(),
            since: Some(since),
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> Option<&mut SlotRecord> {
        let newest = self.slots.back().map(|slot_record| slot_record.slot);
        if newest.is_none_or(|newest| newest < slot) {
            if self.slots.len() == KEPT_SLOTS {
                self.slots.pop_front();
            }
            self.slots.push_back(SlotRecord {
                slot,
                ..SlotRecord::default()
            });
        }
        let index = self
            .slots
            .binary_search_by_key(&slot, |slot_record| slot_record.slot);
        self.slots.get_mut(index.ok()?)
    }

    /// A vote was seen `since_slot` after its slot began.
    pub(crate) fn record_vote(
        &mut self,
        vote: &Attestation,
        at: u64,
        since_slot: Duration,
        half: Duration,
    ) {
        let Attestation { validator_id, data } = *vote;
        let Some(index) = usize::try_from(validator_id)
            .ok()
            .filter(|index| *index < self.validators.len())
        else {
            return;
        };
        let Some(slot_record) = self.slot_mut(data.slot) else {
            return;
        };
        if slot_record.votes.contains_key(&validator_id) {
            return;
        }
        let kind = slot_record
            .distinct
            .iter()
            .position(|kind| *kind == data)
            .or_else(|| {
                (slot_record.distinct.len() < MAX_DISTINCT_VOTES).then(|| {
                    slot_record.distinct.push(data);
                    slot_record.distinct.len() - 1
                })
            });
        let kind = kind.map(|kind| kind as u8);
        let on_time = since_slot < half;
        slot_record
            .votes
            .insert(validator_id, VoteArrival { at, on_time, kind });
        let validator = &mut self.validators[index];
        if validator.last.is_none_or(|last| last.slot <= data.slot) {
            let (slot, head) = (data.slot, data.head);
            validator.last = Some(LastVote { slot, head, at });
        }
    }

    /// A block of this slot by this proposer was imported, with these votes in its body.
    pub(crate) fn record_block<'a>(
        &mut self,
        slot: Slot,
        proposer: ValidatorIndex,
        body: impl Iterator<Item = &'a Attestation>,
    ) {
        if let Some(slot_record) = self.slot_mut(slot) {
            slot_record.proposed.insert(proposer);
        }
        for vote in body {
            if let Some(validator) = self.get_mut(vote.validator_id)
                && validator.included < Some(vote.data.slot)
            {
                validator.included = Some(vote.data.slot);
                validator.record.votes.included += 1;
            }
        }
    }

    fn get_mut(&mut self, validator: ValidatorIndex) -> Option<&mut Validator> {
        self.validators.get_mut(usize::try_from(validator).ok()?)
    }

    /// Closes a slot when the next one is over, too: votes and a block that have not come count as missed. `proposer` is the
    /// validator whose turn it was.
    pub(crate) fn close_slot(&mut self, slot: Slot, proposer: Option<ValidatorIndex>) {
        if slot == 0 || self.since.is_none_or(|since| slot < since) {
            return;
        }
        let index = self
            .slots
            .binary_search_by_key(&slot, |slot_record| slot_record.slot);
        // Where nothing at all came, all is missed.
        let nothing = SlotRecord::default();
        let slot_record = index.map_or(&nothing, |index| &self.slots[index]);
        for (index, validator) in (0..).zip(&mut self.validators) {
            let Record {
                slots,
                votes,
                proposals,
            } = &mut validator.record;
            *slots += 1;
            match slot_record.votes.get(&index) {
                Some(seen) if seen.on_time => votes.on_time += 1,
                Some(_) => votes.late += 1,
                None => votes.missed += 1,
            }
            if proposer == Some(index) {
                if slot_record.proposed.contains(&index) {
                    proposals.done += 1
                } else {
                    proposals.missed += 1
                }
            }
        }
    }

    /// What a validator has done, and its last vote.
    pub(crate) fn of(&self, validator: ValidatorIndex) -> Option<(Record, Option<LastVote>)> {
        let validator = self.validators.get(usize::try_from(validator).ok()?)?;
        Some((validator.record.clone(), validator.last))
    }

    /// The votes of one of the last slots, in the order of validators.
    pub(crate) fn votes(&self, slot: Slot) -> Vec<SeenVote> {
        let index = self
            .slots
            .binary_search_by_key(&slot, |slot_record| slot_record.slot);
        let Some(slot_record) = index.ok().and_then(|index| self.slots.get(index)) else {
            return Vec::new();
        };
        let vote = |(validator_id, seen): (&ValidatorIndex, &VoteArrival)| {
            let data = slot_record.distinct.get(usize::from(seen.kind?))?;
            Some(SeenVote {
                validator_id: *validator_id,
                at: seen.at,
                head: data.head,
                target: data.target,
                source: data.source,
            })
        };
        slot_record.votes.iter().filter_map(vote).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_secs(2);

    fn vote(validator_id: ValidatorIndex, slot: Slot) -> Attestation {
        let data = AttestationData {
            slot,
            ..AttestationData::default()
        };
        Attestation { validator_id, data }
    }

    fn see(records: &mut Records, validator: ValidatorIndex, slot: Slot, seconds: u64) {
        let since = Duration::from_secs(seconds);
        records.record_vote(
            &vote(validator, slot),
            slot * 4000 + seconds * 1000,
            since,
            HALF,
        );
    }

    fn counts(records: &Records, validator: ValidatorIndex) -> [u64; 7] {
        let (record, _) = records.of(validator).unwrap();
        let (votes, proposals) = (record.votes, record.proposals);
        [
            record.slots,
            votes.on_time,
            votes.late,
            votes.missed,
            votes.included,
            proposals.done,
            proposals.missed,
        ]
    }

    #[test]
    fn each_vote_counts_once_by_when_it_was_seen() {
        let mut records = Records::new(3, 1);
        see(&mut records, 0, 1, 1);
        see(&mut records, 0, 1, 3);
        see(&mut records, 1, 1, 3);
        records.record_block(1, 1, [].iter());
        records.record_block(2, 2, [vote(0, 1), vote(0, 1)].iter());
        records.record_block(3, 0, [vote(0, 1)].iter());
        assert_eq!(counts(&records, 0)[..4], [0; 4]);
        records.close_slot(1, Some(1));
        records.close_slot(2, Some(0));
        //                                    slots, on time, late, missed, included, proposals done and missed
        assert_eq!(counts(&records, 0), [2, 1, 0, 1, 1, 0, 1]);
        assert_eq!(counts(&records, 1), [2, 0, 1, 1, 0, 1, 0]);
        assert_eq!(counts(&records, 2), [2, 0, 0, 2, 0, 0, 0]);
        let votes = serde_json::to_value(records.votes(1)).unwrap();
        assert_eq!(
            (&votes[0]["validator_id"], &votes[0]["at"]),
            (&0.into(), &5000.into())
        );
        assert_eq!(votes.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn slots_that_began_before_the_node_was_watching_count_for_nobody() {
        let mut records = Records::new(1, 5);
        records.close_slot(4, Some(0));
        assert_eq!(counts(&records, 0), [0; 7]);
        records.close_slot(5, Some(0));
        assert_eq!(counts(&records, 0), [1, 0, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn hostile_validators_make_no_record_grow() {
        let mut records = Records::new(200, 0);
        for validator in 0..300 {
            for slot in [7, u64::MAX, 0, validator] {
                let mut vote = vote(validator, slot);
                vote.data.head.slot = validator;
                records.record_vote(&vote, 0, HALF, HALF);
            }
        }
        assert!(records.slots.len() <= KEPT_SLOTS);
        assert!(
            records
                .slots
                .iter()
                .all(|slot_record| slot_record.distinct.len() <= MAX_DISTINCT_VOTES)
        );
        assert!(records.of(200).is_none());
    }
}
