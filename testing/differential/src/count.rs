//! What a run has covered: a generator that cannot reach the bad case proves nothing.

use std::collections::BTreeMap;

/// How often each thing has happened.
#[derive(Debug, Default, Clone)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub(crate) fn add(&mut self, name: &'static str) {
        self.many(name, 1);
    }

    pub(crate) fn many(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    pub(crate) fn when(&mut self, name: &'static str, condition: bool) {
        if condition {
            self.add(name);
        }
    }

    /// How often something has happened.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// All that has happened, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, count)| (*name, *count))
    }

    /// What must happen in a run of this size and did not.
    pub fn missing(&self, blocks: u64) -> Vec<&'static str> {
        let rare = RARE.iter().filter(|_| blocks >= RARE_AFTER);
        let all = ALWAYS.iter().chain(rare).copied();
        all.filter(|name| self.get(name) == 0).collect()
    }
}

/// From so many blocks on a run has to reach the rare cases too.
const RARE_AFTER: u64 = 500_000;

/// What any run has to reach, the one of the test suite too.
const ALWAYS: &[&str] = &[
    "block accepted",
    "block known already",
    "block: the slot is not in the future",
    "block: another proposer",
    "block: another parent",
    "block: source beyond the history",
    "block: target beyond the history",
    "block: before the finalized slot",
    "block: nobody in the registry",
    "block: another state root",
    "block: unknown parent",
    "block: ruled out by finality",
    "body: nobody in the registry",
    "body: unknown source",
    "body: unknown target",
    "body: unknown head",
    "body: source after target",
    "body: source of another slot",
    "body: target of another slot",
    "body: future slot",
    "proposer: nobody in the registry",
    "proposer: unknown target",
    "proposer: future slot",
    "gossip accepted",
    "gossip: nobody in the registry",
    "gossip: unknown source",
    "gossip: unknown target",
    "gossip: unknown head",
    "gossip: source after target",
    "gossip: source of another slot",
    "gossip: target of another slot",
    "gossip: future slot",
    "gossip: head of another slot",
    "gossip: older than its head",
    "gossip: source off the chain",
    "gossip: target off the chain",
    "gossip superseded",
    "justified",
    "justified by exactly two thirds",
    "one vote short of two thirds",
    "justified again further back",
    "justified an empty slot",
    "finalized",
    "finalized across a gap",
    "justified without finalizing",
    "finalized further back within a block",
    "several targets with votes",
    "vote for a target that is not justifiable",
    "vote from a source that is not justified",
    "a hundred slots skipped",
    "fork",
    "reorganization",
    "tie",
    "tie with votes",
    "safe target above the justified block",
    "safe target falls back",
    "pruned",
    "equivocation",
    "vote without weight",
    "attestation data compared",
    "target walk compared",
    "the specification cannot attest",
    "the source is the target",
    "proposal compared",
    "the specification cannot propose",
    "own proposal accepted",
    "weights compared",
    "checkpoint start",
    "many intervals at once",
    "rules: the specification's",
    "rules: all deviations",
    "rules: some deviations",
    "node's chain",
    "bare fork choice",
];

/// What a long run has to reach.
const RARE: &[&str] = &[
    "block: the history is full",
    "history filled to its limit",
    "4,096 validators",
    "one validator",
];
