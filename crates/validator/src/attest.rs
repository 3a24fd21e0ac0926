//! Attesting, a quarter into the slot.

use metrics::{counter, histogram};
use quartet_chain::{ChainMessage, NetworkMessage};
use quartet_clock::Stopwatch;
use quartet_processor::{Part, Priority};
use quartet_types::{Attestation, SECONDS_PER_SLOT, SignedAttestation, Slot, proposer_index};
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
        let has_proposed = |validator| self.proposed == Some(slot) && proposer == Some(validator);
        let attestations: Vec<Attestation> = attesters
            .into_iter()
            .filter(|validator| !has_proposed(*validator))
            .map(|validator_id| Attestation { validator_id, data })
            .collect();

        let signed = self.sign(attestations).await;
        let published = self.publish_attestations(signed).await?;
        if published > 0 {
            histogram!("lean_attestations_production_time_seconds").record(watch.seconds());
            self.count_late(slot, published);
            info!(
                slot,
                attestations = published,
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
        self.vigilance.look_at_clock(&self.signers, now, false);
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
        self.vigilance
            .signed(signed.iter().map(|signed| signed.message));
        counter!("lean_pq_sig_attestation_signatures_total").increment(signed.len() as u64);
        counter!("quartet_signatures_refused_total").increment(refused);
        signed
    }

    /// Has attestations counted, and publishes those that are; returns how many. One message each to the chain and to the
    /// network, however many validators there are.
    async fn publish_attestations(
        &self,
        signed: Vec<SignedAttestation>,
    ) -> Result<usize, ValidatorServiceError> {
        if signed.is_empty() {
            return Ok(0);
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
        let count = counted.len();
        if count > 0 {
            let message = NetworkMessage::PublishAttestations(counted);
            self.network.send(message).await?;
        }
        Ok(count)
    }

    /// An attestation that leaves after the middle of its slot comes too late for the safe target.
    fn count_late(&self, slot: Slot, attestations: usize) {
        let since = self.clock.since_slot(slot);
        if since.as_millis() * 2 >= u128::from(SECONDS_PER_SLOT) * 1000 {
            warn!(
                slot,
                attestations,
                delay_ms = since.as_millis() as u64,
                "attested late"
            );
            counter!("quartet_attestations_late_total").increment(attestations as u64);
        }
    }
}
