//! All messages that were published so far.

use std::collections::{BTreeMap, HashMap, HashSet};

use quartet_types::{
    Attestation, Root, Signature, SignedAttestation, SignedBlockWithAttestation, ValidatorIndex,
};
use tree_hash::TreeHash as _;

/// Every vote and every block that was sent in a run, by our nodes and by others, each once.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    votes: Vec<Attestation>,
    signatures: HashMap<Attestation, Signature>,
    newest: BTreeMap<ValidatorIndex, Attestation>,
    /// With their proposers' votes: the same block in another envelope is another message.
    blocks: HashSet<(Root, Attestation)>,
}

impl MessageLog {
    /// Notes a vote.
    pub(crate) fn vote(&mut self, signed: &SignedAttestation) {
        self.note(&signed.message, &signed.signature);
    }

    /// Notes a block with its proposer's vote, and says whether it is new.
    pub(crate) fn block(&mut self, block: &SignedBlockWithAttestation) -> bool {
        if let Some(signature) = block.signature.last() {
            self.note(&block.message.proposer_attestation, signature);
        }
        let root = block.block().tree_hash_root();
        self.blocks
            .insert((root, block.message.proposer_attestation))
    }

    /// All votes, in the order in which they were sent.
    pub(crate) fn votes(&self) -> &[Attestation] {
        &self.votes
    }

    /// The newest vote of each validator, the first one of a slot.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Attestation> {
        self.newest.values()
    }

    /// A vote with its signature.
    pub(crate) fn signed(&self, message: &Attestation) -> Option<SignedAttestation> {
        let signature = self.signatures.get(message)?.clone();
        let message = *message;
        Some(SignedAttestation { message, signature })
    }

    fn note(&mut self, message: &Attestation, signature: &Signature) {
        if self.signatures.contains_key(message) {
            return;
        }
        self.signatures.insert(*message, signature.clone());
        self.votes.push(*message);
        let newest = self.newest.entry(message.validator_id).or_insert(*message);
        if newest.data.slot < message.data.slot {
            *newest = *message;
        }
    }
}
