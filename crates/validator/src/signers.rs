//! The keys of this node's validators.

use std::{collections::BTreeMap, sync::Arc};

use quartet_keystore::{SignError, Signer, SigningDuty, sign_many};
use quartet_processor::Part;
use quartet_types::{Attestation, Signature, Slot, ValidatorIndex};
use tracing::error;
use tree_hash::TreeHash as _;

/// The keys of this node's validators. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Signers(Arc<BTreeMap<ValidatorIndex, Signer>>);

impl Signers {
    /// The validators of this node with their keys.
    pub fn new(signers: impl IntoIterator<Item = Signer>) -> Self {
        let by_index = signers.into_iter().map(|signer| (signer.index(), signer));
        Self(Arc::new(by_index.collect()))
    }

    /// Number of validators.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this node has no validators: it follows the chain only.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this node has the key of a validator.
    pub fn contains(&self, validator: ValidatorIndex) -> bool {
        self.0.contains_key(&validator)
    }

    /// The validators, in order.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        self.0.keys().copied()
    }

    /// The highest slot of a source that a validator has voted from, as far as its signing record knows.
    pub(crate) fn last_source(&self, validator: ValidatorIndex) -> Option<Slot> {
        self.0.get(&validator)?.last_source()
    }

    /// Signs attestations, each with its validator's key; those of validators that are not ours are left
    /// out. Costs one durable disk write and some hundred microseconds of hashing for each: run it on the
    /// processor.
    pub(crate) fn sign(
        &self,
        attestations: &[Attestation],
    ) -> Vec<(Attestation, Result<Signature, SignError>)> {
        let duty = |attestation: &Attestation| {
            let duty = SigningDuty {
                signer: self.0.get(&attestation.validator_id)?,
                epoch: attestation.data.slot,
                message_root: attestation.tree_hash_root(),
                source: Some(attestation.data.source.slot),
            };
            Some((*attestation, duty))
        };
        let (ours, duties): (Vec<Attestation>, Vec<SigningDuty<'_>>) =
            attestations.iter().filter_map(duty).unzip();
        ours.into_iter().zip(sign_many(&duties)).collect()
    }

    /// Has every key ready for `slot`. Seconds, where a whole tree has to be built.
    pub(crate) fn prepare(&self, slot: Slot) {
        for signer in self.0.values() {
            report(signer, Part::Keys.measure(|| signer.prepare(slot)));
        }
    }

    /// Does a piece of the work that later slots will need, milliseconds for each key.
    pub(crate) fn work_ahead(&self, slot: Slot) {
        for signer in self.0.values() {
            report(
                signer,
                Part::Keys.measure(|| signer.work_ahead(slot)).map(drop),
            );
        }
    }
}

fn report(signer: &Signer, result: Result<(), SignError>) {
    if let Err(error) = result {
        let validator = signer.index();
        error!(validator, %error, "a key cannot be prepared; its validator will miss duties");
    }
}
