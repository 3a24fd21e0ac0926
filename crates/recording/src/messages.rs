//! Votes and blocks in a recording.

use quartet_types::{
    Attestation, Block, BlockBody, BlockWithAttestation, SignedAttestation,
    SignedBlockWithAttestation,
};

use crate::{
    codec::{Decoder, Encoder},
    error::Malformed,
};

impl Encoder {
    pub(crate) fn attestation(&mut self, attestation: &Attestation) {
        self.number(attestation.validator_id);
        self.data(&attestation.data);
    }

    pub(crate) fn signed_attestation(&mut self, signed: &SignedAttestation) {
        self.attestation(&signed.message);
        self.signature(&signed.signature);
    }

    pub(crate) fn message(&mut self, message: &BlockWithAttestation) {
        let Block {
            slot,
            proposer_index,
            parent_root,
            state_root,
            body,
        } = &message.block;
        self.number(*slot);
        self.number(*proposer_index);
        self.root(parent_root);
        self.root(state_root);
        self.list(&body.attestations, Self::attestation);
        self.attestation(&message.proposer_attestation);
    }

    pub(crate) fn block(&mut self, block: &SignedBlockWithAttestation) {
        self.message(&block.message);
        self.list(&block.signature, Self::signature);
    }
}

impl Decoder<'_> {
    pub(crate) fn attestation(&mut self) -> Result<Attestation, Malformed> {
        let validator_id = self.number()?;
        let data = self.data()?;
        Ok(Attestation { validator_id, data })
    }

    pub(crate) fn signed_attestation(&mut self) -> Result<SignedAttestation, Malformed> {
        let message = self.attestation()?;
        let signature = self.signature()?;
        Ok(SignedAttestation { message, signature })
    }

    pub(crate) fn message(&mut self) -> Result<BlockWithAttestation, Malformed> {
        let (slot, proposer_index) = (self.number()?, self.number()?);
        let (parent_root, state_root) = (self.root()?, self.root()?);
        let attestations = self.list(Self::attestation)?;
        let attestations = attestations.try_into().map_err(|_| Malformed)?;
        let proposer_attestation = self.attestation()?;
        Ok(BlockWithAttestation {
            block: Block {
                slot,
                proposer_index,
                parent_root,
                state_root,
                body: BlockBody { attestations },
            },
            proposer_attestation,
        })
    }

    pub(crate) fn block(&mut self) -> Result<SignedBlockWithAttestation, Malformed> {
        let message = self.message()?;
        let signature = self.list(Self::signature)?;
        let signature = signature.try_into().map_err(|_| Malformed)?;
        Ok(SignedBlockWithAttestation { message, signature })
    }
}
