//! Blocks and attestations that have come before their slot, and are held until it begins.

use std::{collections::BTreeMap, mem};

use quartet_types::Slot;

use crate::{GossipAttestation, pending::PendingBlock};

/// Most attestations that wait for one slot to begin.
pub(crate) const MAX_EARLY_ATTESTATIONS: usize = 256;
/// Most blocks that wait for one slot to begin, beside those of its own proposer.
const MAX_EARLY_BLOCKS: usize = 16;
/// Most of these blocks or attestations of one validator: two prove that it signs twice.
const MAX_EARLY_PER_VALIDATOR: usize = 2;

/// What waits for a slot to begin, by that slot: within a few slots, or it would not be held.
#[derive(Debug, Default)]
pub(crate) struct EarlyItems {
    blocks: BTreeMap<Slot, Vec<PendingBlock>>,
    attestations: BTreeMap<Slot, Vec<GossipAttestation>>,
}

impl EarlyItems {
    /// Whether a block would be held until a slot begins, or a copy of it is.
    pub(crate) fn has_place(&self, block: &PendingBlock, until: Slot) -> bool {
        let Some(held) = self.blocks.get(&until) else {
            return true;
        };
        let proposer = |block: &PendingBlock| block.block.block().proposer_index;
        let of_proposer = held
            .iter()
            .filter(|other| proposer(other) == proposer(block));
        // The others wait for a vote that they carry.
        let is_due = block.slot() == until;
        let has_room = of_proposer.count() < MAX_EARLY_PER_VALIDATOR
            && (is_due || held.len() < MAX_EARLY_BLOCKS);
        has_room || held.iter().any(|other| other.root == block.root)
    }

    /// Holds a block until a slot begins, its own or that of a vote it carries. Of two copies the first is held, and who sent the
    /// other one is remembered.
    pub(crate) fn hold_block(&mut self, block: PendingBlock, until: Slot) {
        let has_place = self.has_place(&block, until);
        let held = self.blocks.entry(until).or_default();
        match held.iter_mut().find(|other| other.root == block.root) {
            Some(same) => same.add_copy(&block),
            None => held.extend(Some(block).filter(|_| has_place)),
        }
    }

    /// Holds a verified attestation until its slot begins.
    pub(crate) fn hold_attestation(&mut self, attestation: GossipAttestation) {
        let (validator, slot) = attestation.validator_and_slot();
        let held = self.attestations.entry(slot).or_default();
        let of_validator = held
            .iter()
            .filter(|other| other.validator_and_slot().0 == validator);
        if of_validator.count() < MAX_EARLY_PER_VALIDATOR && held.len() < MAX_EARLY_ATTESTATIONS {
            held.push(attestation);
        }
    }

    /// Takes out the blocks and attestations held for slots up to `slot`.
    pub(crate) fn take_until(&mut self, slot: Slot) -> (Vec<PendingBlock>, Vec<GossipAttestation>) {
        let later = self.blocks.split_off(&(slot + 1));
        let blocks = mem::replace(&mut self.blocks, later);
        let later = self.attestations.split_off(&(slot + 1));
        let attestations = mem::replace(&mut self.attestations, later);
        (
            blocks.into_values().flatten().collect(),
            attestations.into_values().flatten().collect(),
        )
    }
}

#[cfg(test)]
mod tests;
