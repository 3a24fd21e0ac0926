//! Votes as validators cast them, and worse ones.

use quartet_oracle::KnownBlock;
use quartet_types::{Attestation, AttestationData, Checkpoint, Root};

use super::Episode;

impl Episode<'_> {
    /// A block that the oracle knows; most often a young one.
    pub(super) fn any_block(&mut self) -> KnownBlock {
        let blocks = &self.oracle.store.blocks;
        let late = if self.random.chance(900) {
            10
        } else {
            blocks.len()
        };
        self.random
            .pick_late(blocks, late)
            .copied()
            .unwrap_or(blocks[0])
    }

    fn head(&self) -> KnownBlock {
        let store = &self.oracle.store;
        store.block(store.head).copied().unwrap_or(store.blocks[0])
    }

    /// An ancestor of a block, itself included.
    fn ancestor(&mut self, mut block: KnownBlock, steps: u64) -> Checkpoint {
        for _ in 0..steps {
            match self.oracle.store.block(block.parent_root) {
                Some(parent) => block = *parent,
                None => break,
            }
        }
        Checkpoint {
            root: block.root,
            slot: block.slot,
        }
    }

    /// What somebody might attest in a slot.
    pub(super) fn attestation_data(&mut self, slot: u64) -> AttestationData {
        let is_head = self.random.chance(550);
        if is_head && self.random.chance(700) {
            return self.oracle.store.attestation_data(slot);
        }
        let head = if is_head {
            self.head()
        } else {
            self.any_block()
        };
        let steps = self.random.below(5);
        let mut target = self.ancestor(head, steps);
        let mut source = head.justified;
        if self.random.chance(80) {
            let block = self.any_block();
            target = self.ancestor(block, 0);
        }
        if self.random.chance(80) {
            let block = self.any_block();
            source = self.ancestor(block, 0);
        }
        if source.slot > target.slot && self.random.chance(950) {
            std::mem::swap(&mut source, &mut target);
        }
        AttestationData {
            slot,
            head: self.ancestor(head, 0),
            target,
            source,
        }
    }

    /// The slot of a vote: the current one, a bit older, or a future one.
    pub(super) fn vote_slot(&mut self) -> u64 {
        let current = self.oracle.store.current_slot();
        match self.random.weighted(&[650, 300, 35, 15]) {
            0 => current,
            1 => current.saturating_sub(self.random.below(4)),
            2 => current + 1,
            _ => current + self.random.within(2, 5),
        }
    }

    /// Spoils some of an attestation's fields.
    pub(super) fn flaw(&mut self, attestation: &mut Attestation) {
        let block = self.any_block();
        let any = self.ancestor(block, 0);
        let data = &mut attestation.data;
        let checkpoint = match self.random.below(3) {
            0 => &mut data.source,
            1 => &mut data.target,
            _ => &mut data.head,
        };
        match self.random.below(9) {
            0 => checkpoint.root = Root::repeat_byte(0xee),
            1 => checkpoint.root = Root::ZERO,
            2 => checkpoint.slot = checkpoint.slot.wrapping_add(1),
            3 => checkpoint.slot = checkpoint.slot.saturating_sub(1),
            4 => std::mem::swap(&mut data.source, &mut data.target),
            5 => {
                let beyond = self.oracle.store.validators + self.random.below(2);
                attestation.validator_id = if self.random.chance(300) {
                    u64::MAX
                } else {
                    beyond
                };
            }
            6 => data.slot += self.random.within(1, 4),
            7 => data.slot = u64::MAX / 3,
            _ => *checkpoint = any,
        }
    }

    pub(super) fn validator(&mut self) -> u64 {
        self.random.below(self.oracle.store.validators)
    }

    /// Remembers votes that were shown to both sides.
    pub(super) fn note_cast(&mut self, votes: &[Attestation]) {
        self.cast.extend(votes);
        let surplus = self.cast.len().saturating_sub(super::CAST);
        self.cast.drain(..surplus);
    }
}
