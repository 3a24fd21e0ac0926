//! From what the service can begin: what a restart at that moment would find.

use std::{sync::Arc, time::Duration};

use quartet_types::{
    Attestation, BlockWithAttestation, Checkpoint, Root, Slot, State, ValidatorIndex,
};
use ssz::{Decode as _, Encode as _};

use crate::{
    codec::{Decoder, Encoder},
    error::Malformed,
};

/// A block of the tree, without its signatures: they have been verified.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyBlock {
    /// The block's root.
    pub root: Root,
    /// The block and its proposer's attestation.
    pub message: BlockWithAttestation,
    /// The justified checkpoint of its post-state.
    pub justified: Checkpoint,
    /// The finalized checkpoint of its post-state.
    pub finalized: Checkpoint,
}

/// From what the service can begin. What is under way is not in it: blocks that wait or are being checked, requests,
/// peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyframe {
    /// When it was taken, since the Unix epoch.
    pub at: Duration,
    /// Whether it is what the session began with, so that nothing was under way.
    pub is_beginning: bool,
    /// Whether the node was synced.
    pub is_synced: bool,
    /// The chain's time, in intervals since genesis.
    pub time: u64,
    /// The head.
    pub head: Checkpoint,
    /// The safe target.
    pub safe_target: Checkpoint,
    /// The justified checkpoint.
    pub justified: Checkpoint,
    /// The finalized checkpoint.
    pub finalized: Checkpoint,
    /// The oldest block of the tree.
    pub anchor: KeyBlock,
    /// Its post-state.
    pub state: Arc<State>,
    /// The blocks above it, parents before children.
    pub blocks: Vec<KeyBlock>,
    /// The votes that count.
    pub votes: Vec<Attestation>,
    /// The votes that wait for the end of the slot.
    pub new_votes: Vec<Attestation>,
    /// Of validators that have signed two votes for a slot, the newest such slot.
    pub equivocated: Vec<(ValidatorIndex, Slot)>,
    /// Blocks beside the chain that votes may still name.
    pub remembered: Vec<Checkpoint>,
}

impl KeyBlock {
    fn encode(&self, to: &mut Encoder) {
        to.root(&self.root);
        to.message(&self.message);
        to.checkpoint(&self.justified);
        to.checkpoint(&self.finalized);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            root: from.root()?,
            message: from.message()?,
            justified: from.checkpoint()?,
            finalized: from.checkpoint()?,
        })
    }
}

impl Keyframe {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        to.duration(self.at);
        to.flag(self.is_beginning);
        to.flag(self.is_synced);
        to.number(self.time);
        for checkpoint in [
            &self.head,
            &self.safe_target,
            &self.justified,
            &self.finalized,
        ] {
            to.checkpoint(checkpoint);
        }
        self.anchor.encode(to);
        to.bytes(&self.state.as_ssz_bytes());
        to.list(&self.blocks, |to, block| block.encode(to));
        to.list(&self.votes, Encoder::attestation);
        to.list(&self.new_votes, Encoder::attestation);
        to.list(&self.equivocated, |to, (validator, slot)| {
            to.number(*validator);
            to.number(*slot);
        });
        to.list(&self.remembered, Encoder::checkpoint);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            at: from.duration()?,
            is_beginning: from.flag()?,
            is_synced: from.flag()?,
            time: from.number()?,
            head: from.checkpoint()?,
            safe_target: from.checkpoint()?,
            justified: from.checkpoint()?,
            finalized: from.checkpoint()?,
            anchor: KeyBlock::decode(from)?,
            state: Arc::new(State::from_ssz_bytes(from.bytes()?).map_err(|_| Malformed)?),
            blocks: from.list(KeyBlock::decode)?,
            votes: from.list(Decoder::attestation)?,
            new_votes: from.list(Decoder::attestation)?,
            equivocated: from.list(|from| Ok((from.number()?, from.number()?)))?,
            remembered: from.list(Decoder::checkpoint)?,
        })
    }
}
