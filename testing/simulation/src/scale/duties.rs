//! What validators do when the clock moves on.

use std::sync::Arc;

use quartet_chain::ImportableBlock;
use quartet_types::{
    Attestation, BlockSignatures, BlockWithAttestation, INTERVALS_PER_SLOT, SignedAttestation,
    SignedBlockWithAttestation, Slot, ValidatorIndex, proposer_index,
};

use super::{
    event_queue::Event,
    messages::{Content, MessageRef},
    model::Model,
};
use crate::{SimulationError, mesh::Gossiped as _};

impl Model<'_> {
    pub(super) fn on_interval(&mut self, interval: u64) -> Result<(), SimulationError> {
        for node in &mut self.nodes {
            node.chain.advance(interval);
        }
        let slot = interval / INTERVALS_PER_SLOT;
        match interval % INTERVALS_PER_SLOT {
            0 => self.propose(slot),
            1 => {
                for node in 0..self.nodes.len() {
                    self.attest(node, slot);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn node_of(&self, validator: ValidatorIndex) -> usize {
        (validator % self.nodes.len() as u64) as usize
    }

    fn propose(&mut self, slot: Slot) -> Result<(), SimulationError> {
        let Some(proposer) = proposer_index(slot, self.scale.registered()) else {
            return Ok(());
        };
        let index = self.node_of(proposer);
        let node = &mut self.nodes[index];
        node.chain.accept_new_attestations();
        let Some(basis) = node.chain.proposal_basis() else {
            return Ok(());
        };
        let failed = |error: &dyn ToString| SimulationError::Block(error.to_string());
        let produced = basis.build(slot).map_err(|error| failed(&error))?;
        let data = produced.attestation_data(&node.chain);
        let attestations = produced.block.body.attestations.len();
        let signatures = vec![self.signature.clone(); attestations + 1];
        let signature =
            BlockSignatures::try_from(signatures).map_err(|_| failed(&"too many signatures"))?;
        let message = BlockWithAttestation {
            block: produced.block,
            proposer_attestation: Attestation {
                validator_id: proposer,
                data,
            },
        };
        let made = Arc::new(ImportableBlock {
            root: produced.root,
            block: Arc::new(SignedBlockWithAttestation { message, signature }),
            post_state: Arc::new(produced.post_state),
        });
        if !node.import_own(&made) {
            return Ok(());
        }
        let costs = &self.scale.costs;
        let cost = costs.of_block(0, attestations) + costs.of_signing(1);
        let root = made.root;
        let reference = self.messages.store(slot, Content::Block(made));
        self.tally
            .proposed(slot, root, attestations, reference.bytes());
        self.events
            .push(self.now + cost, Event::Publish(index, vec![reference]));
        Ok(())
    }

    fn attest(&mut self, index: usize, slot: Slot) {
        let nodes = self.nodes.len() as u64;
        let registered = self.scale.registered();
        let data = self.nodes[index].chain.attestation_data(slot);
        let has_proposed = self
            .tally
            .has_proposed(slot)
            .then(|| proposer_index(slot, registered))
            .flatten();
        let mut notes: Vec<MessageRef> = Vec::new();
        for validator_id in (index as u64..self.scale.validators).step_by(nodes as usize) {
            let content = if validator_id >= registered {
                Content::Talk
            } else if has_proposed == Some(validator_id) {
                continue;
            } else {
                let message = Attestation { validator_id, data };
                let signed = SignedAttestation {
                    message,
                    signature: self.signature.clone(),
                };
                // What is not counted here is counted nowhere.
                let _ = self.nodes[index].chain.import_attestation(&signed);
                Content::Vote(signed)
            };
            notes.push(self.messages.store(slot, content));
        }
        self.tally.attested(slot, data.head.root, notes.len());
        let cost = self.scale.costs.of_signing(notes.len());
        self.events
            .push(self.now + cost, Event::Publish(index, notes));
    }
}
