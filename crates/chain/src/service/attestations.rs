//! Attestations from gossip, on their way into the fork choice.

use metrics::{counter, histogram};
use quartet_clock::Stopwatch;
use quartet_fork_choice::{AttestationError, AttestationOrigin};
use quartet_processor::Priority;
use quartet_types::{PublicKey, Root, SignedAttestation, Slot};
use tracing::debug;

use super::{ChainService, Done};
use crate::{
    GossipAttestation, ImportError, LeanChain, Verdict, verification::verify_attestations,
};

/// What to do with an attestation before its signature is looked at.
enum Triage {
    Verify(PublicKey),
    Answer(Verdict),
    /// Its slot has not begun yet.
    Hold,
    /// It names a block that is not known.
    Park(Root, Slot),
}

impl ChainService {
    /// Attestations have arrived.
    pub(super) fn on_attestations(&mut self, items: Vec<GossipAttestation>) {
        if items.is_empty() {
            return;
        }
        self.catch_up_time();
        let watch = Stopwatch::start();
        let triaged: Vec<Triage> = {
            let chain = self.chain.read();
            items
                .iter()
                .map(|item| triage(&chain, &item.attestation))
                .collect()
        };
        let each = watch.seconds() / triaged.len() as f64;
        histogram!("lean_attestation_validation_time_seconds").record(each);
        let (mut batch, mut keys) = (Vec::new(), Vec::new());
        for (item, triage) in items.into_iter().zip(triaged) {
            match triage {
                Triage::Verify(key) => {
                    batch.push(item);
                    keys.push(key);
                }
                Triage::Answer(verdict) => answer(item, verdict),
                Triage::Hold => self.parking.hold_attestation(item),
                Triage::Park(root, slot) => {
                    let peer = item.peer.clone();
                    self.parking.park_attestation(root, item);
                    self.with_sync(|sync, view| sync.want(root, slot, Some(peer), view));
                    self.poll_sync();
                }
            }
        }
        if !batch.is_empty() {
            self.verify(batch, keys);
        }
    }

    fn verify(&mut self, items: Vec<GossipAttestation>, keys: Vec<PublicKey>) {
        self.batches += 1;
        let scheme = self.scheme;
        let attestations: Vec<SignedAttestation> =
            items.iter().map(|item| item.attestation.clone()).collect();
        let work = move || verify_attestations(scheme, &keys, &attestations);
        self.spawn(Priority::Attestation, work, |valid| Done::Attestations {
            items,
            valid,
        });
    }

    /// The signatures of a batch have been looked at.
    pub(super) fn on_attestations_verified(
        &mut self,
        items: Vec<GossipAttestation>,
        valid: Result<Vec<bool>, ImportError>,
    ) {
        self.batches -= 1;
        self.catch_up_time();
        let Ok(valid) = valid else {
            // Dropping the items answers "ignore".
            return;
        };
        let results: Vec<Result<(), ImportError>> = self.change(|chain| {
            let signed = items.iter().zip(&valid).map(|(item, valid)| {
                let signed = &item.attestation;
                match valid {
                    true => chain.import_attestation(signed),
                    false => Err(ImportError::InvalidSignature {
                        validator: signed.message.validator_id,
                        slot: signed.message.data.slot,
                    }),
                }
            });
            signed.collect()
        });
        for (item, result) in items.into_iter().zip(results) {
            match result {
                Ok(()) => answer(item, Verdict::Accept),
                Err(error @ ImportError::InvalidSignature { .. }) => {
                    debug!(peer = %item.peer, %error, "invalid attestation");
                    answer(item, Verdict::Reject);
                }
                // It was in order before; the chain has moved on meanwhile.
                Err(_) => answer(item, Verdict::Ignore),
            }
        }
    }
}

fn triage(chain: &LeanChain, signed: &SignedAttestation) -> Triage {
    let attestation = &signed.message;
    let (slot, current) = (attestation.data.slot, chain.current_slot());
    let Some(key) = chain.public_key(attestation.validator_id) else {
        return Triage::Answer(Verdict::Reject);
    };
    if chain.has_verified(attestation, &signed.signature)
        || chain.fork_choice().is_superseded(attestation)
    {
        return Triage::Answer(Verdict::Ignore);
    }
    if slot == current + 1 {
        return Triage::Hold;
    }
    match chain
        .fork_choice()
        .validate_attestation(attestation, AttestationOrigin::Gossip)
    {
        Ok(()) => Triage::Verify(*key),
        Err(AttestationError::UnknownBlock { checkpoint, .. })
            if checkpoint.slot > chain.latest_finalized().slot && slot <= current =>
        {
            Triage::Park(checkpoint.root, checkpoint.slot.min(current))
        }
        Err(AttestationError::UnknownBlock { .. }) => Triage::Answer(Verdict::Ignore),
        Err(_) => Triage::Answer(Verdict::Reject),
    }
}

fn answer(item: GossipAttestation, verdict: Verdict) {
    let outcome = match verdict {
        Verdict::Accept => "lean_attestations_valid_total",
        Verdict::Ignore => "quartet_attestations_ignored_total",
        Verdict::Reject => "lean_attestations_invalid_total",
    };
    counter!(outcome).increment(1);
    // Nobody listens any more when the network has given up on the item.
    let _ = item.verdict.send(verdict);
}
