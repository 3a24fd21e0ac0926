//! The keys of a node's validators, from files to signers.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use quartet_clock::Clock;
use quartet_config::{AssignedValidator, KeyManifest, MANIFEST_FILE};
use quartet_keystore::{
    EncryptionError, KeyError, KeyFileProblem, KeyRequest, Loading, Marks, Passphrase, Signer,
    load_signer_with, record::SigningRecord,
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
    /// Whether the keys' marks are heeded.
    pub(super) marks: Marks,
}

impl ValidatorKeys {
    /// Loads them. One that cannot be loaded costs the others nothing. Nothing will be signed up to the slot in which all of
    /// them have been locked: until then another process may have signed with them.
    ///
    /// # Errors
    /// When none can be loaded, or the signing record cannot be opened.
    pub(super) fn load(self, clock: &Clock) -> anyhow::Result<Signers> {
        if self.validators.is_empty() {
            info!("no validators: following the chain");
            return Ok(Signers::default());
        }
        let record = SigningRecord::open(&self.record)?;
        self.load_with(&record, clock)
    }

    fn load_with(self, record: &SigningRecord, clock: &Clock) -> anyhow::Result<Signers> {
        let requests = self.requests()?;
        let mut passphrase = self.passphrase.given()?;
        let (mut signers, mut failures) = (Vec::new(), Vec::new());
        for request in &requests {
            let mut loaded = self.load_one(request, passphrase.as_ref(), record);
            if loaded.as_ref().is_err_and(needs_passphrase) {
                passphrase = Some(self.passphrase.for_reading()?);
                loaded = self.load_one(request, passphrase.as_ref(), record);
            }
            match loaded {
                Ok(signer) => signers.push(signer),
                Err(error) => failures.push((request.index, error)),
            }
        }
        let slot = clock.slot();
        if clock.until_genesis().is_zero() {
            record.refuse_up_to(slot)?;
        }
        let (mut signers, ahead): (Vec<_>, Vec<_>) = (signers.into_iter())
            .map(|signer| (signer.check_slot(slot), signer))
            .partition(|(checked, _)| checked.is_ok());
        failures.extend(
            (ahead.into_iter()).filter_map(|(checked, s)| Some((s.index(), checked.err()?))),
        );
        if signers.is_empty()
            && let Some((_, error)) = failures.pop()
        {
            return Err(error).context("no key of this node can be used");
        }
        for (validator, error) in failures {
            error!(validator, %error, "a key cannot be used; its validator has no duties here");
        }
        let signers: Vec<Signer> = signers.drain(..).map(|(_, signer)| signer).collect();
        self.check_reuse(&signers, slot)?;
        for signer in &signers {
            introduce(signer, slot);
        }
        Ok(Signers::new(signers))
    }

    /// Warns of keys that are not guarded as others are.
    ///
    /// # Errors
    /// When the operator has given up the keys' security for a new network and the record is still the old one's.
    fn check_reuse(&self, signers: &[Signer], slot: Slot) -> anyhow::Result<()> {
        let public = signers.iter().filter(|signer| signer.is_public_test_key());
        let public = public.count();
        if public > 0 {
            warn!(
                keys = public,
                "public test keys: anybody can sign with them, and nothing keeps them from signing an epoch twice on another network; never for value"
            );
        }
        if self.marks == Marks::Heeded {
            return Ok(());
        }
        warn!(
            "--unsafe-reuse-keys: high-water marks of keys are not heeded; whoever has seen their signatures on another network may be able to forge"
        );
        let ahead = signers.iter().filter_map(Signer::last_signed).max();
        if let Some(ahead) = ahead.filter(|ahead| *ahead > slot.saturating_add(1)) {
            bail!(
                "{}: this signing record is of a network that was in epoch {ahead}, and it is slot {slot} here; give the new network a --data-dir of its own",
                self.record.display()
            );
        }
        Ok(())
    }

    fn load_one(
        &self,
        request: &KeyRequest,
        passphrase: Option<&Passphrase>,
        record: &SigningRecord,
    ) -> Result<Signer, KeyError> {
        let loading = Loading {
            passphrase,
            marks: self.marks,
            ..Loading::default()
        };
        load_signer_with(&self.directory, request, &loading, record, &|_| {})
    }

    fn requests(&self) -> anyhow::Result<Vec<KeyRequest>> {
        let manifest = self.directory.join(MANIFEST_FILE);
        let manifest = if manifest.exists() {
            Some(KeyManifest::read(&manifest)?)
        } else {
            None
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
        let signs_from = signer.free_from().unwrap_or(0).max(slot.saturating_add(1));
        info!(
            validator,
            last_signed, signs_from, epochs_left, "key loaded"
        );
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

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]
mod tests;
