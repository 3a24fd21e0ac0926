//! What the bytes of an input make of the validators and their blocks.

use quartet_types::{
    Attestation, AttestationData, Checkpoint, Root, Signature, SignedBlockWithAttestation, Slot,
};
use quartet_world::World;

use crate::input::Input;

/// Takes the decisions of an input.
pub(crate) trait Guided {
    /// A block: one of the newest more often than any.
    fn pick(&self, input: &mut Input<'_>) -> usize;

    /// A block on top of one there is, with honest votes or any; where it is not valid, none is made.
    fn make(&mut self, parent: usize, slot: Slot, input: &mut Input<'_>) -> usize;

    /// A vote with any names and slots, whoever could have given it.
    fn any_vote(&self, slot: Slot, input: &mut Input<'_>) -> Attestation;

    /// The block in another envelope, or changed.
    fn spoilt(&self, index: usize, input: &mut Input<'_>) -> SignedBlockWithAttestation;
}

impl Guided for World {
    fn pick(&self, input: &mut Input<'_>) -> usize {
        let newest = self.made.len() - 1;
        match input.byte() {
            byte @ 0..160 => newest.saturating_sub(usize::from(byte) / 40),
            byte => usize::from(byte) % self.made.len(),
        }
    }

    fn make(&mut self, parent: usize, slot: Slot, input: &mut Input<'_>) -> usize {
        let validators = self.keys.len() as u64;
        let slot = slot.max(self.made[parent].slot() + 1);
        let voters = input.byte();
        let voted = self.made[parent].slot().max(slot - 1);
        let mut votes: Vec<_> = (0..validators)
            .filter(|index| voters >> (index % 7) & 1 == 1)
            .map(|validator| self.vote(validator, parent, voted))
            .collect();
        let is_honest = voters & 0x80 == 0;
        if !is_honest {
            votes.extend((0..input.below(4)).map(|_| self.any_vote(slot, input)));
        }
        let Some(made) = self.propose(parent, slot, &votes) else {
            return parent;
        };
        self.made[made].is_honest &= is_honest;
        made
    }

    fn any_vote(&self, slot: Slot, input: &mut Input<'_>) -> Attestation {
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

    fn spoilt(&self, index: usize, input: &mut Input<'_>) -> SignedBlockWithAttestation {
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
}
