//! All blocks that were made in a run, and how blocks and votes are made.

use std::{collections::HashMap, sync::Arc};

use quartet_chain::VerifySignatures;
use quartet_state_transition::seal_block;
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, BlockWithAttestation, Checkpoint, PublicKey,
    Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, State,
};
use quartet_xmss::Verification;
use tree_hash::TreeHash as _;

use crate::input::Input;

pub(crate) const GENESIS_TIME: u64 = 1_000;
/// Bytes of a signature that are looked at.
const TAG_BYTES: usize = 84;

/// Instead of signatures: the key, epoch and message themselves. Nothing is hidden from anybody, which is all the same to a node
/// that cannot know it.
#[derive(Debug)]
pub(crate) struct StandIn;

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
pub(crate) struct Made {
    pub(crate) root: Root,
    pub(crate) block: Arc<SignedBlockWithAttestation>,
    pub(crate) state: Arc<State>,
    pub(crate) parent: usize,
    /// It and all before it are what honest validators make.
    pub(crate) is_honest: bool,
}

impl Made {
    pub(crate) fn slot(&self) -> Slot {
        self.block.block().slot
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) made: Vec<Made>,
    by_root: HashMap<Root, usize>,
}

impl World {
    pub(crate) fn new(validators: usize) -> Self {
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

    pub(crate) fn genesis(&self) -> &Made {
        &self.made[0]
    }

    pub(crate) fn find(&self, root: &Root) -> Option<&Made> {
        self.by_root.get(root).map(|index| &self.made[*index])
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
    pub(crate) fn descends(&self, root: &Root, ancestor: &Root) -> bool {
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

    /// A block: one of the newest more often than any.
    pub(crate) fn pick(&self, input: &mut Input<'_>) -> usize {
        let newest = self.made.len() - 1;
        match input.byte() {
            byte @ 0..160 => newest.saturating_sub(usize::from(byte) / 40),
            byte => usize::from(byte) % self.made.len(),
        }
    }

    pub(crate) fn justified(&self, index: usize) -> Checkpoint {
        match index {
            0 => self.made[0].checkpoint(),
            _ => self.made[index].state.highest_justified(),
        }
    }

    /// What an honest validator attests that sees this block as the head.
    pub(crate) fn attestation_data(&self, head: usize, slot: Slot) -> AttestationData {
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
            target: if target.slot < source.slot {
                source
            } else {
                target
            },
            source,
        }
    }

    pub(crate) fn sign(&self, message: Attestation) -> SignedAttestation {
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

    /// A block on top of one there is, with honest votes or any; where it is not valid, none is made.
    pub(crate) fn make(&mut self, parent: usize, slot: Slot, input: &mut Input<'_>) -> usize {
        let validators = self.keys.len() as u64;
        let slot = slot.max(self.made[parent].slot() + 1);
        let mut is_honest = self.made[parent].is_honest;
        let mut votes = Vec::new();
        let voters = input.byte();
        for validator_id in (0..validators).filter(|index| voters >> (index % 7) & 1 == 1) {
            let voted = self.made[parent].slot().max(slot - 1);
            let data = self.attestation_data(parent, voted);
            votes.push(Attestation { validator_id, data });
        }
        if voters & 0x80 != 0 {
            is_honest = false;
            votes.extend((0..input.below(4)).map(|_| self.any_vote(slot, input)));
        }
        let votes: Vec<_> = votes.into_iter().map(|vote| self.sign(vote)).collect();
        let messages: Vec<_> = votes.iter().map(|vote| vote.message).collect();
        let block = Block {
            slot,
            proposer_index: slot % validators,
            parent_root: self.made[parent].root,
            state_root: Root::ZERO,
            body: BlockBody {
                attestations: messages.try_into().unwrap(),
            },
        };
        let Ok((block, state)) = seal_block(&self.made[parent].state, block) else {
            return parent;
        };
        let own = Attestation {
            validator_id: block.proposer_index,
            data: AttestationData {
                head: block.checkpoint(),
                source: state.highest_justified(),
                ..self.attestation_data(parent, slot)
            },
        };
        let own = Attestation {
            data: AttestationData {
                target: if own.data.target.slot < own.data.source.slot {
                    own.data.source
                } else {
                    own.data.target
                },
                ..own.data
            },
            ..own
        };
        let signatures = votes.iter().map(|vote| vote.signature.clone());
        let signatures: Vec<_> = signatures.chain([self.sign(own).signature]).collect();
        let signed = SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block,
                proposer_attestation: own,
            },
            signature: signatures.try_into().unwrap(),
        };
        self.add(signed, state, parent, is_honest)
    }

    /// A vote with any names and slots, whoever could have given it.
    pub(crate) fn any_vote(&self, slot: Slot, input: &mut Input<'_>) -> Attestation {
        let name = |input: &mut Input<'_>| {
            let mut name = self.made[self.pick(input)].checkpoint();
            match input.below(16) {
                0 => name.root = Root::repeat_byte(input.byte()),
                1 => name.slot = input.any_size(),
                2 => name = Checkpoint::default(),
                _ => {}
            }
            name
        };
        let (head, target, source) = (name(input), name(input), name(input));
        let slot = match input.below(8) {
            0 => input.any_size(),
            back => slot.saturating_sub(back as u64 / 2),
        };
        Attestation {
            validator_id: match input.below(16) {
                0 => input.any_size(),
                validator => (validator % self.keys.len()) as u64,
            },
            data: AttestationData {
                slot,
                head,
                target,
                source,
            },
        }
    }

    /// The block in another envelope, or changed.
    pub(crate) fn spoilt(&self, index: usize, input: &mut Input<'_>) -> SignedBlockWithAttestation {
        let mut block = SignedBlockWithAttestation::clone(&self.made[index].block);
        let message = &mut block.message;
        match input.below(10) {
            0 => message.block.state_root.0[0] ^= 1,
            1 => message.block.parent_root = Root::repeat_byte(input.byte()),
            2 => message.block.slot = input.any_size(),
            3 => message.block.proposer_index = input.any_size(),
            4 => message.proposer_attestation = self.any_vote(message.block.slot, input),
            5 => message.block.body.attestations = Vec::new().try_into().unwrap(),
            6 => block.signature = Vec::new().try_into().unwrap(),
            7 => {
                let at = input.below(block.signature.len());
                if let Some(signature) = block.signature.get_mut(at) {
                    *signature = Signature::default();
                }
            }
            8 => {
                let vote = self.any_vote(message.block.slot, input);
                let mut votes: Vec<_> = message.block.body.attestations.iter().copied().collect();
                votes.insert(0, vote);
                message.block.body.attestations = votes.try_into().unwrap();
                let mut signatures: Vec<_> = block.signature.iter().cloned().collect();
                signatures.insert(0, self.sign(vote).signature);
                block.signature = signatures.try_into().unwrap();
            }
            _ => {
                let mut own = message.proposer_attestation;
                own.data = self.any_vote(message.block.slot, input).data;
                if input.flag() {
                    own.data.head = message.block.checkpoint();
                }
                message.proposer_attestation = own;
                let mut signatures: Vec<_> = block.signature.iter().cloned().collect();
                signatures.pop();
                signatures.push(self.sign(own).signature);
                block.signature = signatures.try_into().unwrap();
            }
        }
        block
    }

    /// Whether a node may have it in its chain: its transition is valid.
    pub(crate) fn is_valid(&self, root: &Root) -> bool {
        self.by_root.contains_key(root)
    }

    /// A block that came to be by a change of another, if its transition is a valid one after all.
    pub(crate) fn learn(&mut self, block: &SignedBlockWithAttestation) {
        let inner = block.block();
        let Some(parent) = self.by_root.get(&inner.parent_root).copied() else {
            return;
        };
        let root = inner.tree_hash_root();
        if self.by_root.contains_key(&root) {
            return;
        }
        let state = quartet_state_transition::state_transition(&self.made[parent].state, inner);
        if let Ok(state) = state {
            self.add(block.clone(), state, parent, false);
        }
    }
}
