//! Polls one node.

use std::{collections::BTreeMap, time::Duration};

use quartet_checkpoint::ServerUrl;
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use crate::lean_api::{Call, Facts, Failure, Peer, Place, Reader, Validator, unix_ms};

/// How often a node is asked.
const PACE: Duration = Duration::from_secs(1);
/// Slots of the first query, of the 32 whose votes a node keeps.
const AT_FIRST: u64 = 16;
/// Slots that are asked about again: their blocks can come late, and change.
const AGAIN: u64 = 3;
/// Above this many validators, votes are queried when their slot is over, since each takes some 300 bytes.
const FEW_VALIDATORS: u64 = 128;

/// The answer of a node to one poll.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeReport {
    pub(super) facts: Facts,
    pub(super) peers: Vec<Peer>,
    pub(super) slots: Vec<SlotReport>,
    /// When they were asked for.
    pub(super) validators: Option<Vec<Validator>>,
}

/// A slot in a node's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SlotReport {
    pub(super) slot: u64,
    pub(super) proposer: Option<u64>,
    pub(super) proposer_is_local: bool,
    /// The node's own that attest.
    pub(super) attesters: Vec<u64>,
    pub(super) block: Option<String>,
    /// Whether each vote was late, by validator; when they were asked for.
    pub(super) votes: Option<BTreeMap<u64, bool>>,
    /// The head that most of them name.
    pub(super) head: Option<Place>,
}

/// The result of a poll.
#[derive(Debug)]
pub(super) struct Update {
    /// The node's place.
    pub(super) node: usize,
    /// Unix milliseconds.
    pub(super) at: u64,
    pub(super) outcome: Result<NodeReport, Failure>,
}

#[derive(Deserialize)]
struct Duties {
    slot: u64,
    proposer_index: Option<u64>,
    proposer_local: bool,
    attesters: Vec<u64>,
    block: Option<String>,
}

#[derive(Deserialize)]
struct Votes {
    votes: Vec<Vote>,
}

#[derive(Deserialize)]
struct Vote {
    validator_id: u64,
    at: u64,
    head: Place,
}

/// Polls until the receiver is dropped.
pub(super) async fn poll_forever(
    reader: Reader,
    url: ServerUrl,
    node: usize,
    updates: mpsc::Sender<Update>,
) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_slot = None;
    loop {
        ticks.tick().await;
        let outcome = poll_node(&reader, &url, last_slot).await;
        last_slot = outcome.as_ref().ok().and_then(|it| it.facts.current_slot);
        let update = Update {
            node,
            at: unix_ms(),
            outcome,
        };
        if updates.send(update).await.is_err() {
            return;
        }
    }
}

async fn poll_node(
    reader: &Reader,
    url: &ServerUrl,
    last_slot: Option<u64>,
) -> Result<NodeReport, Failure> {
    let answer = reader.ask(url).await?;
    let mut report = NodeReport {
        facts: answer.facts,
        peers: answer.peers,
        ..NodeReport::default()
    };
    let Some(now) = report.facts.current_slot.filter(|_| answer.is_ours) else {
        return Ok(report);
    };
    let back = match last_slot {
        Some(last) => now.saturating_sub(last).saturating_add(AGAIN).min(AT_FIRST),
        None => AT_FIRST,
    };
    let slots: Vec<u64> = (now.saturating_sub(back)..=now).collect();
    let is_new = last_slot != Some(now);
    let few = report.facts.validator_count.unwrap_or(u64::MAX) <= FEW_VALIDATORS;
    let votes: Vec<u64> = match (few, is_new) {
        (true, _) => slots.clone(),
        (false, true) => vec![now.saturating_sub(1)],
        (false, false) => Vec::new(),
    };
    let duties = slots.iter().map(|slot| Call::of_slot("lean_duties", *slot));
    let voted = votes.iter().map(|slot| Call::of_slot("lean_votes", *slot));
    let records = is_new.then_some(Call::new("lean_validators"));
    let calls: Vec<Call> = duties.chain(voted).chain(records).collect();
    let Some(mut results) = reader.call(url, &calls).await? else {
        return Ok(report);
    };
    for place in 0..slots.len() {
        if let Some(found) = results.take::<Duties>(place) {
            report.slots.push(SlotReport {
                slot: found.slot,
                proposer: found.proposer_index,
                proposer_is_local: found.proposer_local,
                attesters: found.attesters,
                block: found.block,
                ..SlotReport::default()
            });
        }
    }
    for (place, slot) in votes.iter().enumerate() {
        let found: Option<Votes> = results.take(slots.len() + place);
        let row = report.slots.iter_mut().find(|row| row.slot == *slot);
        if let Some((found, row)) = found.zip(row) {
            row.count(found.votes, half_of(*slot, &report.facts));
        }
    }
    if is_new {
        report.validators = results.take(calls.len() - 1);
    }
    Ok(report)
}

/// When the first half of a slot ends, in Unix milliseconds.
fn half_of(slot: u64, facts: &Facts) -> Option<u64> {
    let duration = facts.slot_duration_ms?;
    let genesis = facts.genesis_time?.checked_mul(1_000)?;
    let start = slot.checked_mul(duration)?.checked_add(genesis)?;
    start.checked_add(duration / 2)
}

impl SlotReport {
    fn count(&mut self, votes: Vec<Vote>, half: Option<u64>) {
        let mut heads: BTreeMap<(u64, String), usize> = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for vote in votes {
            seen.insert(vote.validator_id, half.is_some_and(|half| vote.at > half));
            *heads.entry((vote.head.slot, vote.head.root)).or_default() += 1;
        }
        self.votes = Some(seen);
        let most = heads.into_iter().max_by_key(|(_, votes)| *votes);
        self.head = most.map(|((slot, root), _)| Place { root, slot });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_late_after_the_first_half() {
        let facts = Facts {
            genesis_time: Some(1_000),
            slot_duration_ms: Some(4_000),
            ..Facts::default()
        };
        let half = half_of(10, &facts);
        assert_eq!(half, Some(1_042_000));
        let vote = |validator_id, at, slot| Vote {
            validator_id,
            at,
            head: Place {
                root: "0x".to_owned(),
                slot,
            },
        };
        let mut row = SlotReport::default();
        row.count(
            vec![
                vote(0, 1_041_000, 9),
                vote(1, 1_042_000, 10),
                vote(2, 1_042_001, 10),
            ],
            half,
        );
        let late = row.votes.unwrap();
        assert_eq!(Vec::from_iter(late), [(0, false), (1, false), (2, true)]);
        assert_eq!(row.head.unwrap().slot, 10);
        assert_eq!(half_of(u64::MAX, &facts), None);
    }
}
