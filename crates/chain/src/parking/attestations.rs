//! Verified attestations that name a block which is not here.

use std::collections::{BTreeMap, HashMap};

use quartet_types::{Root, Slot, ValidatorIndex};

use crate::GossipAttestation;

/// Most attestations of one validator that wait; one of a newer slot takes the place of that of the oldest. So no validator takes
/// the places of others with votes for blocks that do not exist, and nobody can push out newer votes by repeating older ones. Of
/// the largest registry, 16,384 may wait, of some 3.3 KiB.
pub(super) const MAX_ATTESTATIONS_PER_VALIDATOR: usize = 4;

/// Attestations by the block that they wait for.
#[derive(Debug, Default)]
pub(super) struct ParkedAttestations {
    by_block: HashMap<Root, BTreeMap<(ValidatorIndex, Slot), GossipAttestation>>,
    count: usize,
    /// By validator, the slots of its attestations and the blocks that they wait for, in order of arrival.
    by_validator: HashMap<ValidatorIndex, Vec<(Slot, Root)>>,
}

impl ParkedAttestations {
    /// Whether nothing waits, and nothing is remembered of what did.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.by_block.is_empty() && self.by_validator.is_empty()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// All that wait, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &GossipAttestation> {
        self.by_block.values().flat_map(BTreeMap::values)
    }

    /// Those that wait for a block.
    pub(super) fn of(&self, root: &Root) -> impl Iterator<Item = &GossipAttestation> + use<'_> {
        self.by_block
            .get(root)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Whether any wait for a block.
    pub(super) fn contains(&self, root: &Root) -> bool {
        self.by_block.contains_key(root)
    }

    /// How many wait for each block, by its root.
    pub(super) fn counts(&self) -> Vec<(Root, usize)> {
        let counts = self.by_block.iter();
        let counts: BTreeMap<Root, usize> = counts
            .map(|(root, waiting)| (*root, waiting.len()))
            .collect();
        counts.into_iter().collect()
    }

    /// Parks a verified attestation under the block that it names and that is unknown. False when newer ones of its validator have
    /// its places, or it waits already.
    pub(super) fn insert(&mut self, unknown: Root, attestation: GossipAttestation) -> bool {
        let (validator, slot) = attestation.validator_and_slot();
        let place = (slot, unknown);
        if let Some(waiting) = self.by_validator.get(&validator) {
            if waiting.contains(&place) {
                return false;
            }
            let oldest = waiting.iter().min_by_key(|(slot, _)| *slot).copied();
            let is_full = waiting.len() >= MAX_ATTESTATIONS_PER_VALIDATOR;
            match oldest.filter(|_| is_full) {
                Some((slot, _)) if place.0 < slot => return false,
                Some(oldest) => self.remove(oldest, validator),
                None => {}
            }
        }
        self.by_validator.entry(validator).or_default().push(place);
        let waiting = self.by_block.entry(unknown).or_default();
        waiting.insert((validator, slot), attestation);
        self.count += 1;
        true
    }

    /// Drops a validator's attestation of a slot under a block.
    fn remove(&mut self, (slot, root): (Slot, Root), validator: ValidatorIndex) {
        self.forget(root, validator, slot);
        if let Some(waiting) = self.by_block.get_mut(&root) {
            waiting.remove(&(validator, slot));
            if waiting.is_empty() {
                self.by_block.remove(&root);
            }
        }
    }

    fn forget(&mut self, root: Root, validator: ValidatorIndex, slot: Slot) {
        self.count -= 1;
        if let Some(waiting) = self.by_validator.get_mut(&validator) {
            waiting.retain(|other| *other != (slot, root));
            if waiting.is_empty() {
                self.by_validator.remove(&validator);
            }
        }
    }

    /// Takes out what waits for a block, by validator and slot.
    pub(super) fn take(&mut self, root: &Root) -> Vec<GossipAttestation> {
        let attestations = self.by_block.remove(root).unwrap_or_default();
        for (validator, slot) in attestations.keys() {
            self.forget(*root, *validator, *slot);
        }
        attestations.into_values().collect()
    }

    /// Drops attestations of slots up to a finalized one.
    pub(super) fn prune(&mut self, finalized: Slot) {
        let mut dropped = Vec::new();
        self.by_block.retain(|root, waiting| {
            let past = waiting.extract_if(.., |(_, slot), _| *slot <= finalized);
            dropped.extend(past.map(|(key, _)| (*root, key)));
            !waiting.is_empty()
        });
        for (root, (validator, slot)) in dropped {
            self.forget(root, validator, slot);
        }
    }

    /// Drops the verdicts of attestations whose slot `is_late`.
    pub(super) fn drop_verdicts(&mut self, is_late: impl Fn(Slot) -> bool) {
        for item in self.by_block.values_mut().flat_map(BTreeMap::values_mut) {
            if is_late(item.validator_and_slot().1) && !item.verdict.is_closed() {
                item.verdict = tokio::sync::oneshot::channel().0;
            }
        }
    }
}
