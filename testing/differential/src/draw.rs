//! Random blocks and votes: nearly right ones, and ones that are wrong in all ways.

use quartet_oracle::State;
use quartet_types::{Attestation, AttestationData, Block, BlockBody, Checkpoint, Root, Slot};

use crate::random::Random;

/// `HISTORICAL_ROOTS_LIMIT`.
pub(crate) const HISTORY_LIMIT: u64 = 1 << 18;

/// What a block on a state meets.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) state: &'a State,
    /// The parent's root.
    pub(crate) parent: Root,
    /// The block's slot.
    pub(crate) slot: Slot,
    /// Roots by slot, with the parent's.
    pub(crate) history: Vec<Root>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(state: &'a State, parent: Root, slot: Slot) -> Self {
        let mut history = state.historical_block_hashes.clone();
        history.push(parent);
        let empty = (slot.saturating_sub(history.len() as u64)).min(HISTORY_LIMIT);
        history.resize(history.len() + empty as usize, Root::ZERO);
        Self {
            state,
            parent,
            slot,
            history,
        }
    }

    fn at(&self, slot: Slot) -> Checkpoint {
        let root = self.history.get(slot as usize).copied();
        Checkpoint {
            root: root.unwrap_or_default(),
            slot,
        }
    }

    fn is_justified(&self, slot: Slot) -> bool {
        slot == 0 || self.state.justified_slots.get(slot as usize) == Some(&true)
    }

    fn head(&self) -> Checkpoint {
        self.at(self.state.latest_block_header.slot)
    }

    fn source(&self, random: &mut Random) -> Checkpoint {
        let length = self.history.len() as u64;
        match random.weighted(&[55, 15, 20, 6, 4]) {
            0 => self.at(self.state.latest_justified.slot),
            1 => self.at(self.state.highest_justified().slot),
            2 => {
                let justified: Vec<Slot> = (0..length)
                    .filter(|slot| self.is_justified(*slot))
                    .collect();
                self.at(random.pick_late(&justified, 6).copied().unwrap_or_default())
            }
            3 => self.at(random.below(length)),
            _ => self.at(0),
        }
    }

    fn target(&self, random: &mut Random, source: Slot, may_be_empty: bool) -> Checkpoint {
        let length = self.history.len() as u64;
        let finalized = self.state.latest_finalized.slot;
        let first = source.max(length.saturating_sub(64)) + 1;
        let mut justifiable: Vec<Slot> = (first..length)
            .filter(|slot| {
                !self.is_justified(*slot)
                    && (may_be_empty || !self.history[*slot as usize].is_zero())
                    && quartet_oracle::is_justifiable_after(*slot, finalized) == Some(true)
            })
            .collect();
        if random.chance(60) {
            justifiable.truncate(2);
        }
        let slot = match random.weighted(&[80, 12, 8]) {
            0 => random.pick_late(&justifiable, 3).copied(),
            1 => Some(random.within(source.saturating_add(1), length.max(source + 2) - 1)),
            _ => Some(random.below(length)),
        };
        let mut slot = slot.unwrap_or(length - 1);
        while !may_be_empty && slot > 0 && self.at(slot).root.is_zero() {
            slot -= 1;
        }
        self.at(slot)
    }

    /// Votes for one pair of source and target: about as many as it takes, one less, one more, all, or some.
    pub(crate) fn group(&self, random: &mut Random, may_be_empty: bool) -> Vec<Attestation> {
        let validators = self.state.validators as u64;
        let mut source = self.source(random);
        let mut target = self.target(random, source.slot, may_be_empty);
        if random.chance(30) {
            // Both below what is final, where the state has such a pair.
            let finalized = self.state.latest_finalized.slot;
            source = self.at(random.below(finalized + 1));
            target = self.at(random
                .within(source.slot, source.slot + 8)
                .min(self.slot - 1));
        }
        let nobody = Vec::new();
        let tallied = self
            .state
            .justifications
            .get(&target.root)
            .unwrap_or(&nobody);
        let mut missing: Vec<u64> = (0..validators)
            .filter(|validator| tallied.get(*validator as usize) != Some(&true))
            .collect();
        let needed = (2 * validators).div_ceil(3);
        let needed = needed.saturating_sub(validators - missing.len() as u64);
        let count = match random.weighted(&[30, 15, 10, 25, 20]) {
            0 => needed,
            1 => needed.saturating_sub(1),
            2 => needed + 1,
            3 => validators,
            _ => random.within(1, 3),
        };
        if !missing.is_empty() {
            let start = random.below(missing.len() as u64) as usize;
            missing.rotate_left(start);
        }
        if random.chance(100) {
            missing.extend(0..validators);
        }
        let data = AttestationData {
            slot: self.slot - random.below(3).min(self.slot),
            head: self.head(),
            target,
            source,
        };
        let voters = missing.into_iter().take(count as usize);
        voters
            .map(|validator_id| Attestation { validator_id, data })
            .collect()
    }

    /// Spoils a vote in one of many ways.
    pub(crate) fn flaw(&self, random: &mut Random, vote: &mut Attestation) {
        let length = self.history.len() as u64;
        let data = &mut vote.data;
        let checkpoint = match random.below(3) {
            0 => &mut data.source,
            1 => &mut data.target,
            _ => &mut data.head,
        };
        match random.below(12) {
            0 => checkpoint.slot = length + random.below(3),
            1 => checkpoint.slot = u64::MAX - random.below(2),
            2 => checkpoint.root = Root::repeat_byte(0xee),
            3 => checkpoint.root = Root::ZERO,
            4 => checkpoint.slot = checkpoint.slot.wrapping_add(1),
            5 => checkpoint.slot = checkpoint.slot.saturating_sub(1),
            6 => std::mem::swap(&mut data.source, &mut data.target),
            7 => vote.validator_id = self.state.validators as u64 + random.below(2),
            8 => vote.validator_id = u64::MAX,
            9 => data.slot = self.slot + random.within(1, 4),
            10 => data.slot = u64::MAX / 2,
            _ => *checkpoint = self.at(random.below(length)),
        }
    }
}

/// So many empty slots before the next block.
pub(crate) fn gap(random: &mut Random, room: u64) -> u64 {
    let gap = match random.weighted(&[720, 200, 60, 20]) {
        0 => 0,
        1 => random.within(1, 4),
        2 => random.within(5, 30),
        _ => random.within(100, 400),
    };
    gap.min(room)
}

/// A block that fits its parent, without the state root.
pub(crate) fn block(ground: &Ground<'_>, attestations: Vec<Attestation>) -> Option<Block> {
    Some(Block {
        slot: ground.slot,
        proposer_index: ground.slot % ground.state.validators as u64,
        parent_root: ground.parent,
        state_root: Root::ZERO,
        body: BlockBody {
            attestations: attestations.try_into().ok()?,
        },
    })
}

/// How many validators there are.
pub(crate) fn validators(random: &mut Random) -> usize {
    let count = match random.weighted(&[450, 350, 190, 4]) {
        0 => random.within(1, 8),
        1 => random.within(4, 16),
        2 => random.within(17, 64),
        _ => 4096,
    };
    count as usize
}
