//! Invariants that are checked in every scenario: no validator of ours signs twice, finality holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use quartet_chain::{NetworkMessage, Verdict};
use quartet_types::{
    Attestation, Checkpoint, Root, SECONDS_PER_SLOT, SignedBlockWithAttestation, Slot,
    ValidatorIndex,
};
use tree_hash::TreeHash as _;

use crate::{arrivals::Arrivals, log::MessageLog, oracle::SpecificationStore, trace::Trace};

/// What must never happen, whatever the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two nodes finalized conflicting checkpoints, or one finalized what is not on its own chain.
    Fork,
    /// A node's finalized checkpoint went back.
    FinalityWentBack,
    /// A validator of ours signed two messages in an epoch.
    SignedTwice,
    /// The specification's store refuses a block of ours.
    BlockRefused,
    /// A service of a node ended by itself.
    Service,
    /// A database lost what it had said to be durable, holds what does not fit together, or does not open, on a disk that
    /// keeps what it has synced.
    Storage,
}

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
    violations: Vec<(Violation, String)>,
    /// All messages that were published so far.
    pub(crate) log: MessageLog,
    /// Judges the blocks of our nodes, where a run has one.
    pub(crate) oracle: Option<SpecificationStore>,
    /// Blocks that strangers have put into envelopes which their proposers never signed.
    forged: BTreeSet<Root>,
    /// Blocks that came in an envelope of their proposer, too.
    genuine: BTreeSet<Root>,
    imported: BTreeSet<Root>,
    /// Where the run is wired, what has got where.
    pub(crate) arrivals: Arrivals,
}

impl Observer {
    pub(crate) fn record(&mut self, time: Duration, entry: fmt::Arguments<'_>) {
        self.trace.record(time, entry);
    }

    /// An honest node publishes. The attestations in a block's body were published by others.
    pub(crate) fn published(&mut self, time: Duration, node: usize, message: &NetworkMessage) {
        match message {
            NetworkMessage::PublishBlock(block) => {
                let root = block.block().tree_hash_root();
                self.record(time, format_args!("{node} publishes block {root}"));
                self.signed(node, &block.message.proposer_attestation);
                self.log.block(block);
                self.genuine.insert(root);
                // One whose clock is ahead publishes early, and a client that is not waits for the slot.
                if let Some(oracle) = &mut self.oracle
                    && let Err(refusal) =
                        oracle.on_block(block, slot_at(time).max(block.block().slot))
                {
                    let what = format!("block {root} of node {node}: {refusal}");
                    self.violated(Violation::BlockRefused, what);
                }
            }
            NetworkMessage::PublishAttestations(all) => {
                for signed in all {
                    let Attestation { validator_id, data } = signed.message;
                    self.record(time, format_args!("{node} attests {validator_id} {data:?}"));
                    self.signed(node, &signed.message);
                    self.log.vote(signed);
                }
            }
            _ => {}
        }
    }

    /// An actor that is no node of ours has sent a block.
    pub(crate) fn heard_block(&mut self, time: Duration, block: &SignedBlockWithAttestation) {
        let root = block.block().tree_hash_root();
        if !self.forged.contains(&root) {
            self.genuine.insert(root);
        }
        if self.log.block(block)
            && let Some(oracle) = &mut self.oracle
        {
            // What is invalid has no consequences, and what it does not know yet it keeps.
            let _ = oracle.on_block(block, slot_at(time));
        }
    }

    /// A block is in an envelope that its proposer never signed.
    pub(crate) fn forged(&mut self, root: Root) {
        self.forged.insert(root);
    }

    /// A node has imported a block.
    pub(crate) fn imported(&mut self, root: Root) {
        self.imported.insert(root);
    }

    /// How many blocks were forged, and how many of them at least one node has imported.
    pub(crate) fn forgeries(&self) -> (usize, usize) {
        let forged = self.forged.difference(&self.genuine);
        let imported = forged.clone().filter(|root| self.imported.contains(*root));
        (forged.count(), imported.count())
    }

    fn signed(&mut self, node: usize, attestation: &Attestation) {
        let (validator, epoch) = (attestation.validator_id, attestation.data.slot);
        let root = attestation.tree_hash_root();
        let first = *self.signed.entry((validator, epoch)).or_insert(root);
        if first != root {
            self.violated(
                Violation::SignedTwice,
                format!(
                    "validator {validator} on node {node} signed {first} and {root} in epoch {epoch}"
                ),
            );
        }
    }

    /// A node has finalized a checkpoint; `before` is what it had finalized until then.
    pub(crate) fn finalized(&mut self, node: usize, before: Checkpoint, now: Checkpoint) {
        if now.slot < before.slot {
            self.violated(
                Violation::FinalityWentBack,
                format!("node {node} went back from finalized {before} to {now}"),
            );
        }
        let first = *self.finalized.entry(now.slot).or_insert(now.root);
        if first != now.root {
            self.violated(
                Violation::Fork,
                format!("node {node} finalized {now}, and another node {first} in that slot"),
            );
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

    pub(crate) fn violated(&mut self, kind: Violation, what: String) {
        self.violations.push((kind, what));
    }

    pub(crate) fn violation(&self) -> Option<&(Violation, String)> {
        self.violations.first()
    }
}

fn slot_at(time: Duration) -> Slot {
    time.as_secs() / SECONDS_PER_SLOT
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Ignore => "ignore",
        Verdict::Reject => "reject",
    }
}
