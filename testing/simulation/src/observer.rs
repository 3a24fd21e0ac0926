//! What is watched all the time, whatever the scenario: nobody signs twice, finality holds.

use std::{collections::BTreeMap, fmt, time::Duration};

use quartet_chain::{NetworkMessage, Verdict};
use quartet_types::{Attestation, Checkpoint, Root, Slot, ValidatorIndex};
use tree_hash::TreeHash as _;

use crate::trace::Trace;

/// Watches what the nodes publish and finalize.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pub(crate) trace: Trace,
    /// What honest validators have signed, by epoch.
    signed: BTreeMap<(ValidatorIndex, Slot), Root>,
    /// Every checkpoint that any node has finalized.
    finalized: BTreeMap<Slot, Root>,
    verdicts: BTreeMap<(usize, usize, &'static str), u64>,
    penalties: BTreeMap<(usize, usize), u64>,
    violations: Vec<String>,
}

impl Observer {
    pub(crate) fn record(&mut self, time: Duration, entry: fmt::Arguments<'_>) {
        self.trace.record(time, entry);
    }

    /// An honest node publishes. The attestations in a block's body are others', who published them.
    pub(crate) fn published(&mut self, time: Duration, node: usize, message: &NetworkMessage) {
        match message {
            NetworkMessage::PublishBlock(block) => {
                let root = block.block().tree_hash_root();
                self.record(time, format_args!("{node} publishes block {root}"));
                self.signed(node, &block.message.proposer_attestation);
            }
            NetworkMessage::PublishAttestation(signed) => {
                let Attestation { validator_id, data } = signed.message;
                self.record(time, format_args!("{node} attests {validator_id} {data:?}"));
                self.signed(node, &signed.message);
            }
            _ => {}
        }
    }

    fn signed(&mut self, node: usize, attestation: &Attestation) {
        let (validator, epoch) = (attestation.validator_id, attestation.data.slot);
        let root = attestation.tree_hash_root();
        let first = *self.signed.entry((validator, epoch)).or_insert(root);
        if first != root {
            self.violated(format!(
                "validator {validator} on node {node} signed {first} and {root} in epoch {epoch}"
            ));
        }
    }

    /// A node has finalized a checkpoint; `before` is what it had finalized until then.
    pub(crate) fn finalized(&mut self, node: usize, before: Checkpoint, now: Checkpoint) {
        if now.slot < before.slot {
            self.violated(format!(
                "node {node} went back from finalized {before} to {now}"
            ));
        }
        let first = *self.finalized.entry(now.slot).or_insert(now.root);
        if first != now.root {
            self.violated(format!(
                "node {node} finalized {now}, and another node {first} in that slot"
            ));
        }
    }

    /// The finalized checkpoints up to a slot, newest first.
    pub(crate) fn finalized_up_to(&self, slot: Slot) -> impl Iterator<Item = Checkpoint> + '_ {
        let checkpoints = self.finalized.range(..=slot).rev();
        checkpoints.map(|(slot, root)| Checkpoint {
            root: *root,
            slot: *slot,
        })
    }

    pub(crate) fn judged(&mut self, node: usize, sender: usize, verdict: Verdict) {
        *self
            .verdicts
            .entry((node, sender, name(verdict)))
            .or_default() += 1;
    }

    pub(crate) fn penalized(&mut self, node: usize, peer: usize) {
        *self.penalties.entry((node, peer)).or_default() += 1;
    }

    /// Verdicts of all nodes on what a peer has sent.
    pub(crate) fn verdicts_on(&self, sender: usize, verdict: Verdict) -> u64 {
        let verdicts = self.verdicts.iter();
        verdicts
            .filter(|((_, from, kind), _)| *from == sender && *kind == name(verdict))
            .map(|(_, count)| count)
            .sum()
    }

    /// Penalties that all nodes have asked for against a peer.
    pub(crate) fn penalties_of(&self, peer: usize) -> u64 {
        let penalties = self.penalties.iter();
        penalties
            .filter(|((_, other), _)| *other == peer)
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(crate) fn violation(&self) -> Option<&String> {
        self.violations.first()
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Ignore => "ignore",
        Verdict::Reject => "reject",
    }
}
