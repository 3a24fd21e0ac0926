//! The validators whose keys the checker was given. It signs whatever a case needs, without a signing record.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use quartet_types::{
    Attestation, AttestationData, Signature, SignedAttestation, Slot, State, ValidatorIndex,
};
use quartet_xmss::{Scheme, SecretKey, Verification};
use tree_hash::TreeHash as _;

use crate::verdict::{Failure, broken, unsupported};

/// The keys by validator.
#[derive(Clone, Default)]
pub(crate) struct Keys(BTreeMap<ValidatorIndex, Arc<Mutex<SecretKey>>>);

impl Keys {
    pub(crate) fn new(keys: Vec<(ValidatorIndex, SecretKey)>) -> Self {
        let keys = keys.into_iter();
        Self(
            keys.map(|(index, key)| (index, Arc::new(Mutex::new(key))))
                .collect(),
        )
    }

    /// The validators.
    pub(crate) fn validators(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.0.keys().copied()
    }

    /// Signs an attestation, in the epoch of its slot.
    ///
    /// # Errors
    /// When there is no key, or it does not sign in that slot.
    pub(crate) async fn sign(
        &self,
        validator: ValidatorIndex,
        data: AttestationData,
    ) -> Result<SignedAttestation, Failure> {
        let message = Attestation {
            validator_id: validator,
            data,
        };
        self.sign_as(validator, message, data.slot).await
    }

    /// Signs an attestation with this validator's key in this epoch, whatever the attestation says.
    ///
    /// # Errors
    /// As [`Keys::sign`].
    pub(crate) async fn sign_as(
        &self,
        signer: ValidatorIndex,
        message: Attestation,
        epoch: Slot,
    ) -> Result<SignedAttestation, Failure> {
        let no_key = || unsupported(format!("no key of validator {signer} was given"));
        let key = self.0.get(&signer).ok_or_else(no_key)?.clone();
        let root = message.tree_hash_root();
        // A part of the key's tree may have to be computed first.
        let signed = tokio::task::spawn_blocking(move || {
            let mut key = key.lock();
            key.prepare(epoch).map_err(|error| error.to_string())?;
            key.sign(epoch, &root.0).map_err(|error| error.to_string())
        });
        let signature = match signed.await {
            Ok(Ok(signature)) => Signature::from(*signature),
            Ok(Err(error)) => return Err(unsupported(format!("cannot sign: {error}"))),
            Err(error) => return Err(broken(error.to_string())),
        };
        Ok(SignedAttestation { message, signature })
    }
}

/// Whether the validator has signed the attestation.
pub(crate) fn is_signed(
    registry: &State,
    attestation: &Attestation,
    signature: &Signature,
) -> bool {
    let index = usize::try_from(attestation.validator_id).ok();
    let Some(validator) = index.and_then(|index| registry.validators.get(index)) else {
        return false;
    };
    Scheme::Production.verify(&Verification {
        public_key: validator.pubkey.as_bytes(),
        epoch: attestation.data.slot,
        message: &attestation.tree_hash_root().0,
        signature: signature.as_bytes(),
    })
}
