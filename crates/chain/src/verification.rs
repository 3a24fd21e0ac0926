//! Checking blocks and attestations: the CPU-heavy work, done on the processor against snapshots.

use std::{
    collections::HashMap,
    fmt,
    panic::resume_unwind,
    sync::{Arc, OnceLock},
    thread,
};

use metrics::{counter, histogram};
use quartet_clock::Stopwatch;
use quartet_processor::Part;
use quartet_state_transition::{Error as TransitionError, Observer, Stage, apply_block_observed};
use quartet_types::{
    Attestation, Block, BlockSignatures, PublicKey, Root, Signature, SignedAttestation,
    SignedBlockWithAttestation, State, Validators,
};
use quartet_xmss::{Scheme, Verification};
use tree_hash::TreeHash as _;

use crate::{ChainReader, ImportError, ImportableBlock, LeanChain};

/// Signatures from which on a batch is spread over all cores: a millisecond's work on one.
const PARALLEL: usize = 64;

/// Shares are multiples of this: the lanes of the widest vectors.
const FULL_LANES: usize = 16;

/// Verifies signatures: the scheme, with or without a cache, or a stand-in for it in a long simulation.
pub type Verifier = &'static dyn VerifySignatures;

/// Verifies signatures.
pub trait VerifySignatures: fmt::Debug + Send + Sync {
    /// Whether each of them is valid.
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool>;
}

impl VerifySignatures for Scheme {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        spread(items, |share| Self::verify_many(*self, share))
    }
}

/// The same verdicts, sooner: it caches where the validators' paths in their trees have led.
impl VerifySignatures for quartet_xmss::Verifier {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        spread(items, |share| Self::verify_many(self, share))
    }
}

/// Verifies large batches on all cores, on threads of our own, so that each can report the processor time it took.
fn spread(
    items: &[Verification<'_>],
    verify: impl Fn(&[Verification<'_>]) -> Vec<bool> + Sync,
) -> Vec<bool> {
    let verify = |share: &[Verification<'_>]| Part::Verification.measure(|| verify(share));
    if items.len() < PARALLEL || threads() == 1 {
        return verify(items);
    }
    let share = (items.len().div_ceil(threads())).next_multiple_of(FULL_LANES);
    let (own, others) = items.split_at(share.min(items.len()));
    let verify = &verify;
    thread::scope(|scope| {
        let others: Vec<_> = (others.chunks(share))
            .map(|share| scope.spawn(move || verify(share)))
            .collect();
        let mut valid = verify(own);
        for other in others {
            valid.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        valid
    })
}

/// How many threads share a batch.
fn threads() -> usize {
    // Asking takes longer than verifying a signature.
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// A block to check, with all that the check needs.
#[derive(Debug)]
pub(crate) struct BlockCheck {
    root: Root,
    block: Arc<SignedBlockWithAttestation>,
    validators: Validators,
    /// `None` when it has to be rebuilt.
    parent_state: Option<Arc<State>>,
    /// Whether its proposer's signature has been verified before.
    is_authentic: bool,
    /// Indices of the signatures that have not been verified before.
    unverified: Vec<usize>,
    /// All signatures, where they have been verified those at hand: so that none is in memory twice.
    signatures: Vec<Signature>,
}

impl BlockCheck {
    /// Gathers what the check needs, or returns why the block fails without one.
    pub(crate) fn new(
        chain: &LeanChain,
        root: Root,
        block: Arc<SignedBlockWithAttestation>,
        is_authentic: bool,
    ) -> Result<Self, ImportError> {
        let parent_root = block.block().parent_root;
        if !chain.contains(&parent_root) {
            return Err(ImportError::UnknownParent(parent_root));
        }
        let expected = block.block().body.attestations.len() + 1;
        if block.signature.len() != expected {
            return Err(ImportError::SignatureCount {
                expected,
                found: block.signature.len(),
            });
        }
        let body = block.block().body.attestations.iter();
        let signed = body.zip(&block.signature).enumerate();
        // A body may repeat an attestation; each is verified once.
        let mut seen: HashMap<&Attestation, &Signature> = HashMap::new();
        let (mut unverified, mut signatures) = (Vec::new(), Vec::with_capacity(expected));
        for (index, (attestation, signature)) in signed {
            let verified = chain.verified(attestation, signature);
            if verified.is_none() && seen.insert(attestation, signature) != Some(signature) {
                unverified.push(index);
            }
            signatures.push(verified.unwrap_or(signature).clone());
        }
        signatures.extend(block.signature.last().cloned());
        let proposer = &block.message.proposer_attestation;
        let signature = block.signature.last();
        let is_authentic = is_authentic
            || signature.is_some_and(|signature| chain.has_verified(proposer, signature));
        Ok(Self {
            root,
            block,
            validators: chain.validators().clone(),
            parent_state: chain.state(parent_root),
            is_authentic,
            unverified,
            signatures,
        })
    }

    /// The block with the signatures at hand in place of equal ones that came with it.
    fn shared(
        block: Arc<SignedBlockWithAttestation>,
        signatures: Vec<Signature>,
    ) -> Arc<SignedBlockWithAttestation> {
        let (count, message) = (signatures.len(), &block.message);
        match BlockSignatures::try_from(signatures) {
            Ok(signature) if count == block.signature.len() => {
                let message = message.clone();
                Arc::new(SignedBlockWithAttestation { message, signature })
            }
            _ => block,
        }
    }

    /// Verifies the proposer's signature, which a stranger cannot make, applies the transition, and verifies the other
    /// signatures, which cost the most. The parent's state is rebuilt only for what its proposer has signed.
    pub(crate) fn run(
        self,
        verifier: Verifier,
        reader: &ChainReader,
    ) -> Result<ImportableBlock, ImportError> {
        if !self.is_authentic {
            authenticate(verifier, &self.block, &self.validators)?;
        }
        let parent_state = match self.parent_state {
            Some(state) => state,
            None => reader.parent_state(self.block.block().parent_root)?,
        };
        let post_state = state_transition(&parent_state, self.block.block())?;
        let body = &self.block.block().body.attestations;
        let signed = self.unverified.iter();
        let signed: Vec<_> = signed
            .map(|index| (&body[*index], &self.block.signature[*index]))
            .collect();
        verify_all(verifier, &self.validators, &signed)?;
        Ok(ImportableBlock {
            root: self.root,
            block: Self::shared(self.block, self.signatures),
            post_state: Arc::new(post_state),
        })
    }
}

/// As [`quartet_state_transition::state_transition`], its time counted and that of its stages.
///
/// # Errors
/// When the block is invalid on this state.
pub(crate) fn state_transition(pre: &State, block: &Block) -> Result<State, TransitionError> {
    let watch = Stopwatch::start();
    let post = Part::Transition.measure(|| apply_block_observed(pre, block, &Stopwatches))?;
    let computed = Part::Hashing.measure(|| post.tree_hash_root());
    histogram!("lean_state_transition_time_seconds").record(watch.seconds());
    let slots = block.slot.saturating_sub(pre.slot);
    counter!("lean_state_transition_slots_processed_total").increment(slots);
    let attestations = block.body.attestations.len() as u64;
    counter!("lean_state_transition_attestations_processed_total").increment(attestations);
    if computed == block.state_root {
        Ok(post)
    } else {
        Err(TransitionError::StateRoot {
            expected: computed,
            found: block.state_root,
        })
    }
}

/// Times the stages of a transition.
struct Stopwatches;

impl Observer for Stopwatches {
    fn watch<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let watch = Stopwatch::start();
        let result = work();
        let time = match stage {
            Stage::Slots => histogram!("lean_state_transition_slots_processing_time_seconds"),
            Stage::Block => histogram!("lean_state_transition_block_processing_time_seconds"),
            Stage::Attestations => {
                histogram!("lean_state_transition_attestations_processing_time_seconds")
            }
        };
        time.record(watch.seconds());
        result
    }
}

/// Verifies the proposer's signature alone.
///
/// # Errors
/// When there is no such signature, no such validator, or it is invalid.
pub(crate) fn authenticate(
    verifier: Verifier,
    block: &SignedBlockWithAttestation,
    validators: &Validators,
) -> Result<(), ImportError> {
    signature_count(block)?;
    let signed = (block.signature.last()).map(|last| (&block.message.proposer_attestation, last));
    verify_all(verifier, validators, &Vec::from_iter(signed))
}

/// Checks that there is a signature for each attestation.
pub(crate) fn signature_count(block: &SignedBlockWithAttestation) -> Result<(), ImportError> {
    let expected = block.block().body.attestations.len() + 1;
    let found = block.signature.len();
    if found == expected {
        Ok(())
    } else {
        Err(ImportError::SignatureCount { expected, found })
    }
}

/// Whether all signatures of a block are there and valid.
pub(crate) fn is_signed(
    verifier: Verifier,
    validators: &Validators,
    block: &SignedBlockWithAttestation,
) -> bool {
    let signed: Vec<_> = block.attestations().zip(&block.signature).collect();
    signature_count(block).is_ok() && verify_all(verifier, validators, &signed).is_ok()
}

fn verify_all(
    verifier: Verifier,
    validators: &Validators,
    signed: &[(&Attestation, &Signature)],
) -> Result<(), ImportError> {
    let mut errors = verify_each(verifier, validators, signed)
        .into_iter()
        .flatten();
    errors.next().map_or(Ok(()), Err)
}

/// Verifies attestations with the keys of the registry. `None` for each valid one.
pub(crate) fn verify_each(
    verifier: Verifier,
    validators: &Validators,
    signed: &[(&Attestation, &Signature)],
) -> Vec<Option<ImportError>> {
    let keys = signed.iter().map(|(attestation, _)| {
        let index = usize::try_from(attestation.validator_id).ok()?;
        validators.get(index).map(|entry| entry.pubkey)
    });
    let keys: Vec<Option<PublicKey>> = keys.collect();
    // A validator beyond the registry has no key, so its signature is invalid.
    let any: Vec<PublicKey> = keys.iter().map(|key| key.unwrap_or_default()).collect();
    let valid = verify(verifier, &any, signed);
    let results = signed.iter().zip(keys).zip(valid);
    results
        .map(|(((attestation, _), key), valid)| match (key, valid) {
            (None, _) => Some(ImportError::ValidatorNotInRegistry {
                validator: attestation.validator_id,
                validators: validators.len() as u64,
            }),
            (Some(_), false) => Some(invalid_signature(attestation)),
            (Some(_), true) => None,
        })
        .collect()
}

pub(crate) fn invalid_signature(attestation: &Attestation) -> ImportError {
    ImportError::InvalidSignature {
        validator: attestation.validator_id,
        slot: attestation.data.slot,
    }
}

/// Verifies attestations of gossip, each with its validator's key; the result is per attestation.
pub(crate) fn verify_attestations(
    verifier: Verifier,
    keys: &[PublicKey],
    attestations: &[SignedAttestation],
) -> Vec<bool> {
    let signed: Vec<(&Attestation, &Signature)> = attestations
        .iter()
        .map(|signed| (&signed.message, &signed.signature))
        .collect();
    verify(verifier, keys, &signed)
}

fn verify(
    verifier: Verifier,
    keys: &[PublicKey],
    signed: &[(&Attestation, &Signature)],
) -> Vec<bool> {
    let root = |(attestation, _): &(&Attestation, _)| attestation.tree_hash_root().0;
    let messages: Vec<[u8; 32]> = Part::Hashing.measure(|| signed.iter().map(root).collect());
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
    let results = verifier.verify_many(&items);
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

#[cfg(test)]
pub(crate) mod tests;
