//! A validator that has turned against the others: the attacker has its key.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use quartet_keystore::{keystore_file_name, read_throwaway};
use quartet_types::{
    Attestation, AttestationData, Signature, SignedAttestation, Slot, State, ValidatorIndex,
    is_proposer,
};
use quartet_xmss::SecretKey;
use tree_hash::TreeHash as _;

/// A validator and its key. It signs whatever it is told, as often as it is told.
pub(crate) struct Traitor {
    index: ValidatorIndex,
    validators: u64,
    key: Mutex<SecretKey>,
}

impl fmt::Debug for Traitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traitor").field(&self.index).finish()
    }
}

impl Traitor {
    /// Reads the key of a validator from the directory of a devnet's genesis.
    ///
    /// # Errors
    /// When it cannot be read, or is no public test key.
    pub(crate) fn read(genesis: &Path, state: &State, index: ValidatorIndex) -> Result<Self> {
        let path = genesis
            .join("hash-sig-keys")
            .join(keystore_file_name(index));
        let validator = usize::try_from(index)
            .ok()
            .and_then(|index| state.validators.get(index));
        let public_key = validator.context("the registry lacks the traitor")?.pubkey;
        let given_up = false;
        let key = read_throwaway(&path, &public_key, None, given_up, &|_| {})?;
        Ok(Self {
            index,
            validators: state.validator_count(),
            key: Mutex::new(key),
        })
    }

    /// Whether it is its turn to propose.
    pub(crate) fn proposes_in(&self, slot: Slot) -> bool {
        is_proposer(self.index, slot, self.validators)
    }

    /// Its newest slots up to this one, the newest first.
    pub(crate) fn slots_until(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        (1..=slot).rev().filter(|slot| self.proposes_in(*slot))
    }

    /// Its attestation; `None` when its key does not sign in that slot.
    pub(crate) fn sign(&self, data: AttestationData) -> Option<SignedAttestation> {
        let message = Attestation {
            validator_id: self.index,
            data,
        };
        let mut key = self.key.lock();
        key.prepare(data.slot).ok()?;
        let signature = key.sign(data.slot, &message.tree_hash_root().0).ok()?;
        Some(SignedAttestation {
            message,
            signature: Signature::from(*signature),
        })
    }
}
