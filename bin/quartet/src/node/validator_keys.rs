//! The keys of a node's validators, from files to signers.

use std::path::PathBuf;

use anyhow::Context as _;
use quartet_config::{AssignedValidator, KeyManifest, MANIFEST_FILE};
use quartet_keystore::{
    EncryptionError, KeyError, KeyFileProblem, KeyRequest, Passphrase, Signer, load_signer,
    record::SigningRecord,
};
use quartet_types::{PublicKey, Slot};
use quartet_validator::Signers;
use tracing::{error, info, warn};

use crate::keys::PassphraseArgs;

/// Where the keys are and whose they must be.
pub(super) struct ValidatorKeys {
    pub(super) directory: PathBuf,
    pub(super) record: PathBuf,
    pub(super) passphrase: PassphraseArgs,
    pub(super) validators: Vec<AssignedValidator>,
    /// The public keys of the genesis registry.
    pub(super) registry: Vec<PublicKey>,
}

impl ValidatorKeys {
    /// Loads them. One that cannot be loaded costs the others nothing. `started` is the slot of the start,
    /// where genesis is past.
    ///
    /// # Errors
    /// When none can be loaded, or the signing record cannot be opened.
    pub(super) fn load(self, started: Option<Slot>) -> anyhow::Result<Signers> {
        if self.validators.is_empty() {
            info!("no validators: following the chain");
            return Ok(Signers::default());
        }
        let requests = self.requests()?;
        let record = SigningRecord::open(&self.record)?;
        if let Some(slot) = started {
            record.started_in(slot)?;
        }
        let mut passphrase = self.passphrase.given()?;
        let (mut signers, mut failures) = (Vec::new(), Vec::new());
        for request in &requests {
            let mut loaded = self.load_one(request, passphrase.as_ref(), &record);
            if loaded.as_ref().is_err_and(needs_passphrase) {
                passphrase = Some(self.passphrase.for_reading()?);
                loaded = self.load_one(request, passphrase.as_ref(), &record);
            }
            match loaded {
                Ok(signer) => {
                    introduce(&signer, started.unwrap_or(0));
                    signers.push(signer);
                }
                Err(error) => failures.push((request.index, error)),
            }
        }
        if signers.is_empty()
            && let Some((_, error)) = failures.pop()
        {
            return Err(error).context("no key of this node can be used");
        }
        for (validator, error) in failures {
            error!(validator, %error, "a key cannot be used; its validator has no duties here");
        }
        Ok(Signers::new(signers))
    }

    fn load_one(
        &self,
        request: &KeyRequest,
        passphrase: Option<&Passphrase>,
        record: &SigningRecord,
    ) -> Result<Signer, KeyError> {
        load_signer(&self.directory, request, passphrase, record, &|_| {})
    }

    fn requests(&self) -> anyhow::Result<Vec<KeyRequest>> {
        let manifest = self.directory.join(MANIFEST_FILE);
        let manifest = match manifest.exists() {
            true => Some(KeyManifest::read(&manifest)?),
            false => None,
        };
        let request = |validator: &AssignedValidator| {
            let index = validator.index;
            let annotated = validator
                .key
                .as_ref()
                .map(|key| key.secret_key_file.clone());
            let listed = || Some(manifest.as_ref()?.entry(index)?.secret_key_file.clone());
            Some(KeyRequest {
                index,
                // `ValidatorAssignments::check` has seen to it that the registry has it.
                public_key: *self.registry.get(usize::try_from(index).ok()?)?,
                file: annotated.or_else(listed),
            })
        };
        Ok(self.validators.iter().filter_map(request).collect())
    }
}

fn needs_passphrase(error: &KeyError) -> bool {
    let KeyError::File { problem, .. } = error else {
        return false;
    };
    matches!(
        **problem,
        KeyFileProblem::Encryption(EncryptionError::PassphraseNeeded)
    )
}

fn introduce(signer: &Signer, slot: Slot) {
    let (validator, active) = (signer.index(), signer.active());
    if active.contains(&slot) {
        let (last_signed, epochs_left) = (signer.last_signed(), signer.epochs_left(slot));
        info!(validator, last_signed, epochs_left, "key loaded");
    } else {
        let last = active.end.saturating_sub(1);
        warn!(
            validator,
            slot,
            first = active.start,
            last,
            "the key is not active now; it signs nothing outside of its epochs"
        );
    }
}
