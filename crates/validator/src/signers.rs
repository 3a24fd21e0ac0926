//! The keys of this node's validators.

use std::{collections::BTreeMap, sync::Arc};

use quartet_keystore::{
    SignError, Signer, SigningDuty,
    record::{Sighting, SigningRequest},
    reserve, sign_many,
};
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

    /// Whether any of the keys is more than a public test key.
    pub fn have_secrets(&self) -> bool {
        self.0.values().any(|signer| !signer.is_public_test_key())
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
    pub fn last_source(&self, validator: ValidatorIndex) -> Option<Slot> {
        self.0.get(&validator)?.last_source()
    }

    /// Signs attestations, each with its validator's key; those of validators that are not ours are left
    /// out. Costs one durable disk write, more where nothing was reserved, and some hundred microseconds of hashing for each: run it on the
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

    /// Raises the keys' high-water marks to `slot`, and makes room in the record, so that the duties of
    /// that slot need not wait for it: some milliseconds of disk.
    pub(crate) fn reserve(&self, slot: Slot) {
        let signers: Vec<&Signer> = self.0.values().collect();
        for (signer, reserved) in signers.iter().zip(reserve(&signers, slot)) {
            if let Err(error) = reserved {
                let validator = signer.index();
                error!(validator, %error, "the validator will miss its duties");
            }
        }
        // All share one record.
        if let Some(Err(error)) = signers.first().map(|signer| signer.record().preallocate()) {
            error!(%error, "no room for the signatures to come; validators will soon miss duties");
        }
    }

    /// Nothing new is signed up to `slot`.
    pub(crate) fn refuse_up_to(&self, slot: Slot) {
        for signer in self.0.values() {
            if let Err(error) = signer.record().refuse_up_to(slot) {
                error!(validator = signer.index(), %error, "the validator signs nothing more");
            }
        }
    }

    /// What the signing record makes of votes that were seen on the network; those of other validators are left out.
    pub(crate) fn sight(
        &self,
        votes: &[Attestation],
    ) -> Vec<(Attestation, SigningRequest, Sighting)> {
        let sight = |vote: &Attestation| {
            let signer = self.0.get(&vote.validator_id)?;
            let request = SigningRequest {
                public_key: *signer.public_key(),
                epoch: vote.data.slot,
                message_root: vote.tree_hash_root(),
                source: Some(vote.data.source.slot),
            };
            // A record that does not work grants nothing.
            let sightings = signer.record().observe(&[request]).ok()?;
            Some((*vote, request, *sightings.first()?))
        };
        votes.iter().filter_map(sight).collect()
    }

    /// Records what was signed elsewhere: in the signing record, and with the keys' marks.
    pub(crate) fn raise(&self, elsewhere: &[SigningRequest]) {
        for signer in self.0.values() {
            let of_key = elsewhere
                .iter()
                .filter(|seen| seen.public_key == *signer.public_key());
            let of_key: Vec<SigningRequest> = of_key.copied().collect();
            let Some(newest) = of_key.iter().map(|seen| seen.epoch).max() else {
                continue;
            };
            let validator = signer.index();
            if let Err(error) = signer.record().persist_observed(&of_key) {
                error!(validator, %error, "what was signed elsewhere is not written down");
            }
            for error in reserve(&[signer], newest)
                .into_iter()
                .filter_map(Result::err)
            {
                error!(validator, %error, "what was signed elsewhere is not written down");
            }
        }
    }

    /// Prepares every key for `slot`. Takes seconds where a whole tree has to be built.
    pub(crate) fn prepare(&self, slot: Slot) {
        for signer in self.0.values() {
            report(signer, Part::Keys.measure(|| signer.prepare(slot)));
        }
    }

    /// Does a part of the work that later slots will need: milliseconds for each key.
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
