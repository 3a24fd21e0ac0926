//! A node, as it was last seen.

use std::collections::{BTreeMap, VecDeque};

use super::poll::{NodeReport, SlotReport};
use crate::lean_api::{Condition, Facts, Peer, Validator};

/// Slots that are kept of a node.
pub(super) const KEPT_SLOTS: usize = 64;
/// Finality's lags that are kept of a node, one a slot.
pub(super) const KEPT_LAGS: usize = 200;
/// Slots without a new head after which a node that reports no condition counts as stalled, and their milliseconds where the
/// node does not say.
const HEAD_AGE: u64 = 8;
const SLOT_MS: u64 = 4_000;

/// A node, as it was last seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) url: String,
    /// Its last facts; kept when it answers no more.
    pub(super) facts: Option<Facts>,
    pub(super) down: Option<Down>,
    pub(super) peers: Vec<Peer>,
    pub(super) validators: Vec<Validator>,
    pub(super) slots: BTreeMap<u64, SlotReport>,
    /// Slots from the finalized one to the clock, the newest last.
    pub(super) lags: VecDeque<u64>,
    lag_slot: Option<u64>,
    /// When its head changed last, in Unix milliseconds.
    head_since: u64,
}

/// Since when and why a node does not answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Down {
    /// Unix milliseconds.
    pub(super) since: u64,
    pub(super) why: String,
}

impl Node {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    /// Its name, or else its address.
    pub(super) fn name(&self) -> &str {
        let facts = self.facts.as_ref();
        let name = facts.and_then(|facts| facts.name.as_deref());
        name.unwrap_or_else(|| self.url.split("://").last().unwrap_or(&self.url))
    }

    /// Its condition, unless it does not answer, or was not asked yet.
    pub(super) fn condition(&self) -> Option<Condition> {
        let facts = self.facts.as_ref().filter(|_| self.down.is_none())?;
        Some(facts.condition)
    }

    pub(super) fn take(&mut self, report: NodeReport, at: u64, said: &mut Vec<(bool, String)>) {
        let NodeReport {
            mut facts,
            peers,
            slots,
            validators,
        } = report;
        if self.down.take().is_some() {
            said.push((false, "answers again".to_owned()));
        }
        let head = |facts: &Facts| facts.head.clone();
        if self.facts.as_ref().and_then(head) != head(&facts) {
            self.head_since = at;
        }
        let slot_ms = facts.slot_duration_ms.unwrap_or(SLOT_MS);
        if facts.condition == Condition::Unknown
            && facts.head.is_some()
            && at.saturating_sub(self.head_since) > HEAD_AGE.saturating_mul(slot_ms)
        {
            facts.condition = Condition::Stalled;
        }
        self.compare(&facts, &peers, said);
        for row in slots {
            self.take_slot(row, said);
        }
        if let Some(validators) = validators {
            self.compare_duties(&validators, said);
            self.validators = validators;
        }
        let slot = facts
            .current_slot
            .or(facts.head.as_ref().map(|head| head.slot));
        if slot != self.lag_slot
            && let Some(lag) = facts.behind(facts.finalized.as_ref())
        {
            self.lag_slot = slot;
            if self.lags.len() == KEPT_LAGS {
                self.lags.pop_front();
            }
            self.lags.push_back(lag);
        }
        self.peers = peers;
        self.facts = Some(facts);
    }

    fn compare(&self, facts: &Facts, peers: &[Peer], said: &mut Vec<(bool, String)>) {
        let Some(before) = &self.facts else {
            let word = facts.condition.name();
            said.push((!facts.condition.is_healthy(), format!("seen, {word}")));
            return;
        };
        if before.condition != facts.condition {
            let (meaning, _) = facts.condition.in_words(facts);
            let text = format!("{}: {meaning}", facts.condition.name());
            said.push((!facts.condition.is_healthy(), text));
        }
        if let (Some(before), Some(now)) = (before.uptime_seconds, facts.uptime_seconds)
            && now < before
        {
            said.push((true, "was started anew".to_owned()));
        }
        let has = |peers: &[Peer], peer: &Peer| peers.iter().any(|it| it.peer_id == peer.peer_id);
        for peer in peers.iter().filter(|peer| !has(&self.peers, peer)) {
            said.push((false, format!("peer {} connected", peer_label(peer))));
        }
        for peer in self.peers.iter().filter(|peer| !has(peers, peer)) {
            said.push((true, format!("peer {} is gone", peer_label(peer))));
        }
    }

    fn take_slot(&mut self, mut row: SlotReport, said: &mut Vec<(bool, String)>) {
        if let Some(before) = self.slots.remove(&row.slot) {
            if let (Some(old), Some(new)) = (&before.block, &row.block)
                && old != new
            {
                said.push((
                    true,
                    format!("another block at slot {}: reorganised", row.slot),
                ));
            }
            if row.votes.is_none() {
                (row.votes, row.head) = (before.votes, before.head);
            }
        }
        self.slots.insert(row.slot, row);
        if self.slots.len() > KEPT_SLOTS {
            self.slots.pop_first();
        }
    }

    fn compare_duties(&self, validators: &[Validator], said: &mut Vec<(bool, String)>) {
        for now in validators.iter().filter(|validator| validator.local) {
            let same = |it: &&Validator| it.index == now.index;
            let Some(before) = self.validators.iter().find(same) else {
                continue;
            };
            let (old, new) = (&before.record, &now.record);
            for (is_more, what) in [
                (new.votes.missed > old.votes.missed, "missed a vote"),
                (new.votes.late > old.votes.late, "voted late"),
                (
                    new.proposals.missed > old.proposals.missed,
                    "missed a proposal",
                ),
            ] {
                if is_more {
                    said.push((true, format!("validator {} {what}", now.index)));
                }
            }
        }
    }
}

/// The peer's agent, and the end of its id.
pub(super) fn peer_label(peer: &Peer) -> String {
    let id: Vec<char> = peer.peer_id.chars().collect();
    let end: String = id.iter().skip(id.len().saturating_sub(8)).collect();
    match &peer.agent {
        Some(agent) => format!("{agent} …{end}"),
        None => format!("…{end}"),
    }
}
