//! Attesting, a quarter into the slot.

use metrics::{counter, histogram};
use quartet_chain::{ChainMessage, DutyKind, NetworkMessage};
use quartet_clock::Stopwatch;
use quartet_processor::{Part, Priority};
use quartet_types::{Attestation, SignedAttestation, Slot, ValidatorIndex, proposer_index};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::{ValidatorService, ValidatorServiceError};

impl ValidatorService {
    /// Attests with every validator of this node but the one that has proposed in this slot, and those whose
    /// last source the node does not know.
    pub(crate) async fn attest(&mut self, slot: Slot) -> Result<(), ValidatorServiceError> {
        let watch = Stopwatch::start();
        let attesters = self.with_known_source(slot, self.signers.clone().indices());
        let (data, proposer) = {
            let chain = self.chain.read();
            let proposer = proposer_index(slot, chain.validator_count());
            (chain.attestation_data(slot), proposer)
        };
        let proposed = self.proposed == Some(slot);
        let has_proposed = |validator| proposed && proposer == Some(validator);
        let attestations: Vec<Attestation> = attesters
            .into_iter()
            .filter(|validator| !has_proposed(*validator))
            .map(|validator_id| Attestation { validator_id, data })
            .collect();
        let signed = self.sign(attestations).await;
        let published = self.publish_attestations(signed).await?;
        let count = published.len();
        let is_missed = |validator: &ValidatorIndex| {
            !has_proposed(*validator) && published.binary_search(validator).is_err()
        };
        let missed = self.signers.indices().filter(is_missed).collect();
        self.tell_of_missed_votes(slot, missed);
        if count > 0 {
            histogram!("lean_attestations_production_time_seconds").record(watch.seconds());
            self.tell_of_duty(DutyKind::Attestation, slot, published);
            info!(
                slot,
                attestations = count,
                head = data.head.slot,
                target = data.target.slot,
                source = data.source.slot,
                "attested"
            );
        }
        Ok(())
    }

    /// Signs; what cannot be signed is logged and left out, so that one validator's key never costs
    /// another's duty.
    pub(crate) async fn sign(&mut self, attestations: Vec<Attestation>) -> Vec<SignedAttestation> {
        // The node may have been held up since the tick.
        let now = self.clock.slot();
        self.doppelganger.check_clock(&self.signers, now, false);
        let signers = self.signers.clone();
        let work = move || {
            let watch = Stopwatch::start();
            let results = Part::Signing.measure(|| signers.sign(&attestations));
            if !results.is_empty() {
                let each = watch.seconds() / results.len() as f64;
                histogram!("lean_pq_sig_attestation_signing_time_seconds").record(each);
            }
            results
        };
        let results = match self.processor.run(Priority::Duty, work).await {
            Ok(results) => results,
            Err(error) => {
                error!(%error, "nothing is signed");
                return Vec::new();
            }
        };
        let (mut signed, mut refused) = (Vec::new(), 0);
        for (attestation, signature) in results {
            match signature {
                Ok(signature) => signed.push(SignedAttestation {
                    message: attestation,
                    signature,
                }),
                Err(error) => {
                    refused += 1;
                    let (validator, slot) = (attestation.validator_id, attestation.data.slot);
                    warn!(validator, slot, %error, "not signed");
                }
            }
        }
        self.doppelganger
            .signed(signed.iter().map(|signed| signed.message));
        counter!("lean_pq_sig_attestation_signatures_total").increment(signed.len() as u64);
        counter!("quartet_signatures_refused_total").increment(refused);
        signed
    }

    /// Has attestations counted, and publishes those that are; returns whose they are, in ascending order. One message each to
    /// the chain and to the network, however many validators there are.
    async fn publish_attestations(
        &self,
        signed: Vec<SignedAttestation>,
    ) -> Result<Vec<ValidatorIndex>, ValidatorServiceError> {
        if signed.is_empty() {
            return Ok(Vec::new());
        }
        let (imported, outcome) = oneshot::channel();
        let message = ChainMessage::OwnAttestations {
            attestations: signed.clone(),
            imported,
        };
        self.chain_service.send(message).await?;
        // Should the chain service have stopped, the network will tell.
        let mut results = outcome.await.unwrap_or_default().into_iter();
        let is_counted = |signed: &SignedAttestation| match results.next() {
            Some(Err(error)) => {
                let validator = signed.message.validator_id;
                warn!(validator, %error, "our own attestation was not counted");
                false
            }
            _ => true,
        };
        let counted: Vec<_> = signed.into_iter().filter(is_counted).collect();
        let mut published: Vec<_> = counted.iter().map(|a| a.message.validator_id).collect();
        published.sort_unstable();
        if !published.is_empty() {
            let message = NetworkMessage::PublishAttestations(counted);
            self.network.send(message).await?;
        }
        Ok(published)
    }
}
