//! Proposing, at the start of a slot.

use std::sync::Arc;

use metrics::{counter, histogram};
use quartet_chain::{ChainMessage, DutyKind, NetworkMessage, ProducedBlock};
use quartet_clock::Stopwatch;
use quartet_processor::Priority;
use quartet_types::{
    Attestation, BlockSignatures, BlockWithAttestation, SignedAttestation,
    SignedBlockWithAttestation, Slot, ValidatorIndex,
};
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::{ValidatorService, ValidatorServiceError};

impl ValidatorService {
    /// Does the duty of proposing, and tells its outcome.
    pub(crate) async fn propose(
        &mut self,
        slot: Slot,
        proposer: ValidatorIndex,
    ) -> Result<(), ValidatorServiceError> {
        let is_done = self.build_and_publish(slot, proposer).await?;
        if is_done {
            self.tell_of_duty(DutyKind::Proposal, slot, vec![proposer])
        } else {
            self.tell_of_missed_proposal(slot, proposer)
        }
        Ok(())
    }

    /// Builds a block on the head, signs the proposer's attestation for it, imports and publishes it. Returns whether it did.
    async fn build_and_publish(
        &mut self,
        slot: Slot,
        proposer: ValidatorIndex,
    ) -> Result<bool, ValidatorServiceError> {
        let watch = Stopwatch::start();
        let (ready, prepared) = oneshot::channel();
        self.chain_service
            .send(ChainMessage::PrepareProposal { slot, ready })
            .await?;
        // Should the chain service have stopped, sending the block will tell.
        let _ = prepared.await;

        let Some(produced) = self.build(slot, proposer).await else {
            counter!("lean_block_building_failures_total").increment(1);
            return Ok(false);
        };
        histogram!("lean_block_building_time_seconds").record(watch.seconds());
        counter!("lean_block_building_success_total").increment(1);

        let Some(attestation) = self.attest_own(&produced, proposer).await else {
            return Ok(false);
        };
        self.proposed = Some(slot);
        self.publish_block(produced, attestation, watch).await
    }

    async fn build(&self, slot: Slot, proposer: ValidatorIndex) -> Option<ProducedBlock> {
        let basis = self.chain.read().proposal_basis();
        let Some(basis) = basis else {
            error!(
                slot,
                proposer, "no block can be built: the head's state is not at hand"
            );
            return None;
        };
        let built = self
            .processor
            .run(Priority::Duty, move || basis.build(slot))
            .await;
        match built {
            Ok(Ok(produced)) => Some(produced),
            Ok(Err(error)) => {
                error!(slot, proposer, %error, "no block could be built");
                None
            }
            Err(error) => {
                error!(slot, proposer, %error, "no block could be built");
                None
            }
        }
    }

    async fn attest_own(
        &mut self,
        produced: &ProducedBlock,
        proposer: ValidatorIndex,
    ) -> Option<SignedAttestation> {
        let data = produced.attestation_data(&self.chain.read());
        let attestation = Attestation {
            validator_id: proposer,
            data,
        };
        self.sign(vec![attestation]).await.pop()
    }

    async fn publish_block(
        &self,
        produced: ProducedBlock,
        attestation: SignedAttestation,
        watch: Stopwatch,
    ) -> Result<bool, ValidatorServiceError> {
        let ProducedBlock {
            block,
            post_state,
            mut signatures,
            ..
        } = produced;
        let (slot, proposer, count) = (block.slot, block.proposer_index, signatures.len());
        signatures.push(attestation.signature);
        let Ok(signature) = BlockSignatures::try_from(signatures) else {
            error!(
                slot,
                proposer, count, "a block cannot hold this many signatures"
            );
            return Ok(false);
        };
        let message = BlockWithAttestation {
            block,
            proposer_attestation: attestation.message,
        };
        let block = Arc::new(SignedBlockWithAttestation { message, signature });

        let (imported, outcome) = oneshot::channel();
        let post_state = Box::new(post_state);
        let import = ChainMessage::OwnBlock {
            block: block.clone(),
            post_state,
            imported,
        };
        self.chain_service.send(import).await?;
        if let Ok(Err(error)) = outcome.await {
            error!(slot, proposer, %error, "our own block was not imported");
            return Ok(false);
        }
        self.network
            .send(NetworkMessage::PublishBlock(block))
            .await?;
        info!(
            slot,
            validator = proposer,
            attestations = count,
            took_ms = watch.elapsed().as_millis() as u64,
            "proposed"
        );
        Ok(true)
    }
}
