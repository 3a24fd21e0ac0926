//! Checking blocks and attestations: the CPU-heavy work, done on the processor against snapshots.

use std::sync::Arc;

use metrics::{counter, histogram};
use quartet_clock::Stopwatch;
use quartet_state_transition::state_transition;
use quartet_types::{
    Attestation, PublicKey, Root, Signature, SignedAttestation, SignedBlockWithAttestation, State,
};
use quartet_xmss::{Scheme, Verification};
use tree_hash::TreeHash as _;

use crate::{ImportError, ImportableBlock, LeanChain};

/// Signatures from which on a batch is spread over all cores: a millisecond's work on one.
const PARALLEL: usize = 64;

/// A block to check, with all that it takes.
#[derive(Debug)]
pub(crate) struct BlockCheck {
    root: Root,
    block: Arc<SignedBlockWithAttestation>,
    parent_state: Arc<State>,
    /// Indices of the signatures that have not been verified before.
    unverified: Vec<usize>,
}

impl BlockCheck {
    /// Gathers what the check takes, or returns why the block fails at a glance.
    pub(crate) fn new(
        chain: &LeanChain,
        root: Root,
        block: Arc<SignedBlockWithAttestation>,
    ) -> Result<Self, ImportError> {
        let parent_root = block.block().parent_root;
        let parent_state = chain
            .state(parent_root)
            .ok_or(ImportError::UnknownParent(parent_root))?;
        let expected = block.block().body.attestations.len() + 1;
        if block.signature.len() != expected {
            return Err(ImportError::SignatureCount {
                expected,
                found: block.signature.len(),
            });
        }
        let signed = block.attestations().zip(&block.signature).enumerate();
        let unverified = signed
            .filter(|(_, (attestation, signature))| !chain.has_verified(attestation, signature));
        let unverified = unverified.map(|(index, _)| index).collect();
        Ok(Self {
            root,
            block,
            parent_state,
            unverified,
        })
    }

    /// Applies the transition, then verifies the signatures: the transition is the cheaper of the two.
    pub(crate) fn run(self, scheme: Scheme) -> Result<ImportableBlock, ImportError> {
        let watch = Stopwatch::start();
        let post_state = state_transition(&self.parent_state, self.block.block())?;
        histogram!("lean_state_transition_time_seconds").record(watch.seconds());
        let attestations: Vec<&Attestation> = self.block.attestations().collect();
        let signed: Vec<(&Attestation, &Signature)> = self
            .unverified
            .iter()
            .map(|index| (attestations[*index], &self.block.signature[*index]))
            .collect();
        let mut items = Vec::with_capacity(signed.len());
        for (attestation, _) in &signed {
            let validator = attestation.validator_id;
            let key = self.parent_state.public_key(validator);
            items.push(*key.ok_or(ImportError::ValidatorOutOfRange {
                validator,
                validators: self.parent_state.validator_count(),
            })?);
        }
        let valid = verify(scheme, &items, &signed);
        if let Some(index) = valid.iter().position(|valid| !valid) {
            return Err(ImportError::InvalidSignature {
                validator: signed[index].0.validator_id,
                slot: signed[index].0.data.slot,
            });
        }
        Ok(ImportableBlock {
            root: self.root,
            block: self.block,
            post_state: Arc::new(post_state),
        })
    }
}

/// Verifies attestations of gossip, each with its validator's key; the result is per attestation.
pub(crate) fn verify_attestations(
    scheme: Scheme,
    keys: &[PublicKey],
    attestations: &[SignedAttestation],
) -> Vec<bool> {
    let signed: Vec<(&Attestation, &Signature)> = attestations
        .iter()
        .map(|signed| (&signed.message, &signed.signature))
        .collect();
    verify(scheme, keys, &signed)
}

fn verify(scheme: Scheme, keys: &[PublicKey], signed: &[(&Attestation, &Signature)]) -> Vec<bool> {
    let messages: Vec<[u8; 32]> = signed
        .iter()
        .map(|(attestation, _)| attestation.tree_hash_root().0)
        .collect();
    let items: Vec<Verification<'_>> = signed
        .iter()
        .zip(keys)
        .zip(&messages)
        .map(|(((attestation, signature), key), message)| Verification {
            public_key: key.as_bytes(),
            epoch: attestation.data.slot,
            message,
            signature: signature.as_bytes(),
        })
        .collect();
    let watch = Stopwatch::start();
    let results = match items.len() < PARALLEL {
        true => scheme.verify_many(&items),
        false => scheme.verify_many_parallel(&items),
    };
    record(&results, watch.seconds());
    results
}

fn record(results: &[bool], seconds: f64) {
    if results.is_empty() {
        return;
    }
    let each = seconds / results.len() as f64;
    histogram!("lean_pq_sig_attestation_verification_time_seconds").record(each);
    let valid = results.iter().filter(|valid| **valid).count();
    counter!("lean_pq_sig_attestation_signatures_valid_total").increment(valid as u64);
    let invalid = results.len() - valid;
    counter!("lean_pq_sig_attestation_signatures_invalid_total").increment(invalid as u64);
}
