//! Validators that sign with a stand-in, and every block they have made, whoever has seen it: what tests feed a node with.
//!
//! # Example
//!
//! ```
//! use quartet_world::World;
//!
//! let mut world = World::new(4);
//! let first = world.propose(0, 1, &[]).unwrap();
//! let votes = [0, 1, 2].map(|validator| world.vote(validator, first, 1));
//! let second = world.propose(first, 2, &votes).unwrap();
//! assert_eq!(world.justified(second), world.made[first].checkpoint());
//! ```

#![forbid(unsafe_code)]
// Tests use it, and one that unwraps fails as it should.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod node;

use std::{collections::HashMap, sync::Arc};

use quartet_chain::VerifySignatures;
use quartet_state_transition::{seal_block, state_transition};
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, BlockWithAttestation, Checkpoint, PublicKey,
    Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, State, ValidatorIndex,
};
use quartet_xmss::Verification;
use tree_hash::TreeHash as _;

/// When slot 0 begins, in seconds since 1970.
pub const GENESIS_TIME: u64 = 1_000;
/// Bytes of a signature that are looked at.
const TAG_BYTES: usize = 84;

/// Instead of signatures: the key, epoch and message themselves. Nothing is hidden from anybody, which is all the same to a node
/// that cannot know it.
#[derive(Debug)]
pub struct StandIn;

impl VerifySignatures for StandIn {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        let valid = |item: &Verification<'_>| {
            item.signature
                .starts_with(&tag(item.public_key, item.epoch, item.message))
        };
        items.iter().map(valid).collect()
    }
}

fn tag(key: &[u8], epoch: u64, message: &[u8]) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    tag[..44].copy_from_slice(&key[..44]);
    tag[44..52].copy_from_slice(&epoch.to_le_bytes());
    tag[52..].copy_from_slice(message);
    tag
}

/// A block with its post-state.
#[derive(Debug)]
pub struct Made {
    /// The block's root.
    pub root: Root,
    /// It, signed by its proposer.
    pub block: Arc<SignedBlockWithAttestation>,
    /// Its post-state.
    pub state: Arc<State>,
    /// Where its parent is in [`World::made`].
    pub parent: usize,
    /// It and all before it are what honest validators make.
    pub is_honest: bool,
}

impl Made {
    /// The block's slot.
    pub fn slot(&self) -> Slot {
        self.block.block().slot
    }

    /// Its root and slot.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot(),
        }
    }
}

/// All validators with all their blocks. Blocks are called by their place in [`Self::made`], where genesis is the first.
#[derive(Debug)]
pub struct World {
    /// The validators' public keys, by index.
    pub keys: Vec<PublicKey>,
    /// Every block, after its parent.
    pub made: Vec<Made>,
    by_root: HashMap<Root, usize>,
}

impl World {
    /// So many validators, and their genesis.
    pub fn new(validators: usize) -> Self {
        let keys: Vec<_> = (0..validators)
            .map(|index| PublicKey([1 + index as u8; 52]))
            .collect();
        let state = State::genesis(GENESIS_TIME, &keys).unwrap();
        let mut block = SignedBlockWithAttestation::default();
        block.message.block = Block::genesis(&state);
        let mut world = Self {
            keys,
            made: Vec::new(),
            by_root: HashMap::new(),
        };
        world.add(block, state, 0, true);
        world
    }

    /// The first block.
    pub fn genesis(&self) -> &Made {
        &self.made[0]
    }

    /// Where a block is in [`Self::made`].
    pub fn position(&self, root: &Root) -> Option<usize> {
        self.by_root.get(root).copied()
    }

    /// The block with this root.
    pub fn find(&self, root: &Root) -> Option<&Made> {
        self.position(root).map(|index| &self.made[index])
    }

    fn add(
        &mut self,
        block: SignedBlockWithAttestation,
        state: State,
        parent: usize,
        is_honest: bool,
    ) -> usize {
        let root = block.block().tree_hash_root();
        let made = Made {
            root,
            block: block.into(),
            state: state.into(),
            parent,
            is_honest,
        };
        self.made.push(made);
        self.by_root.entry(root).or_insert(self.made.len() - 1);
        self.made.len() - 1
    }

    /// Whether `ancestor` is the block `root` or one before it.
    pub fn descends(&self, root: &Root, ancestor: &Root) -> bool {
        let mut at = self.by_root[root];
        loop {
            if self.made[at].root == *ancestor {
                return true;
            }
            match at {
                0 => return false,
                _ => at = self.made[at].parent,
            }
        }
    }

    /// What the chain that ends in a block has justified.
    pub fn justified(&self, index: usize) -> Checkpoint {
        match index {
            0 => self.made[0].checkpoint(),
            _ => self.made[index].state.highest_justified(),
        }
    }

    /// What an honest validator attests that sees this block as the head.
    pub fn attestation_data(&self, head: usize, slot: Slot) -> AttestationData {
        let finalized = self.made[head].state.latest_finalized.slot;
        let mut target = head;
        while !quartet_types::is_justifiable_after(self.made[target].slot(), finalized)
            .unwrap_or(true)
        {
            target = self.made[target].parent;
        }
        let source = self.justified(head);
        let target = self.made[target].checkpoint();
        AttestationData {
            slot,
            head: self.made[head].checkpoint(),
            target: not_before(source, target),
            source,
        }
    }

    /// The vote of an honest validator that sees this block as the head.
    pub fn vote(&self, validator_id: ValidatorIndex, head: usize, slot: Slot) -> Attestation {
        let data = self.attestation_data(head, slot);
        Attestation { validator_id, data }
    }

    /// Signs it, in the name of the validator that it names. One that there is not has the keys of one that there is.
    pub fn sign(&self, message: Attestation) -> SignedAttestation {
        let index = message.validator_id as usize % self.keys.len();
        let tag = tag(
            self.keys[index].as_bytes(),
            message.data.slot,
            &message.tree_hash_root().0,
        );
        let mut signature = Signature::default().as_bytes().to_vec();
        signature[..TAG_BYTES].copy_from_slice(&tag);
        let bytes: [u8; quartet_types::SIGNATURE_BYTES] = signature.try_into().unwrap();
        SignedAttestation {
            message,
            signature: Signature::from(bytes),
        }
    }

    /// The block in an envelope with this attestation of its proposer, all signed.
    pub fn envelope(&self, block: Block, own: Attestation) -> SignedBlockWithAttestation {
        let body = block.body.attestations.iter().copied();
        let signatures: Vec<_> = body
            .chain([own])
            .map(|vote| self.sign(vote).signature)
            .collect();
        SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block,
                proposer_attestation: own,
            },
            signature: signatures.try_into().unwrap(),
        }
    }

    /// A block on top of one there is, with these votes, by the slot's proposer: its place, or nothing where no such block is
    /// valid. It counts as honest where its parent is.
    pub fn propose(&mut self, parent: usize, slot: Slot, votes: &[Attestation]) -> Option<usize> {
        let block = Block {
            slot,
            proposer_index: slot % self.keys.len() as u64,
            parent_root: self.made[parent].root,
            state_root: Root::ZERO,
            body: BlockBody {
                attestations: votes.to_vec().try_into().unwrap(),
            },
        };
        let (block, state) = seal_block(&self.made[parent].state, block).ok()?;
        let mut signed = SignedBlockWithAttestation::default();
        signed.message.block = block.clone();
        let made = self.add(signed, state, parent, self.made[parent].is_honest);
        // It attests what all will who see its block, which binds the block to it.
        let own = self.vote(block.proposer_index, made, slot);
        self.made[made].block = self.envelope(block, own).into();
        Some(made)
    }

    /// An honest chain on top of a block: one block in each slot, which carries all votes for the one before. The last one's place.
    pub fn grow(&mut self, parent: usize, slots: impl IntoIterator<Item = Slot>) -> usize {
        slots.into_iter().fold(parent, |parent, slot| {
            let voted = self.made[parent].slot().max(slot - 1);
            let validators = 0..self.keys.len() as u64;
            let votes: Vec<_> = validators
                .map(|validator| self.vote(validator, parent, voted))
                .collect();
            self.propose(parent, slot, &votes).unwrap()
        })
    }

    /// A block that came to be by a change of another, if its transition is a valid one after all. It counts as dishonest.
    pub fn learn(&mut self, block: &SignedBlockWithAttestation) {
        let inner = block.block();
        let Some(parent) = self.position(&inner.parent_root) else {
            return;
        };
        if self.find(&inner.tree_hash_root()).is_some() {
            return;
        }
        let state = state_transition(&self.made[parent].state, inner);
        if let Ok(state) = state {
            self.add(block.clone(), state, parent, false);
        }
    }
}

/// The block in the same envelope, whose proposer has not signed it.
pub fn forged(block: &SignedBlockWithAttestation) -> SignedBlockWithAttestation {
    let mut forged = block.clone();
    let last = forged.signature.len() - 1;
    forged.signature[last] = Signature::default();
    forged
}

/// A vote's target may not be older than its source.
fn not_before(source: Checkpoint, target: Checkpoint) -> Checkpoint {
    if target.slot < source.slot {
        source
    } else {
        target
    }
}
