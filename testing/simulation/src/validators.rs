//! The validators of a simulated network: their keys, drawn from the seed, and the genesis they make.

use std::path::Path;

use parking_lot::Mutex;
use quartet_keystore::{
    KeyRequest, Keystore, Signer, keystore_file_name, load_signer, record::SigningRecord,
};
use quartet_types::{Attestation, PublicKey, Signature, SignedAttestation, State, ValidatorIndex};
use quartet_xmss::{KeyMaterial, Scheme, SecretKey, Threads};
use rand::{SeedableRng as _, rngs::StdRng};
use tree_hash::TreeHash as _;

use crate::SimulationError;

/// Unix time of slot 0 in every run.
pub(crate) const GENESIS_TIME: u64 = 1_700_000_000;

/// All validators, those of the adversary included.
#[derive(Debug)]
pub(crate) struct Validators {
    keys: Vec<Mutex<SecretKey>>,
    public_keys: Vec<PublicKey>,
}

impl Validators {
    /// Draws keys of the test scheme, which live for 256 epochs.
    pub(crate) fn draw(seed: u64, count: usize) -> Result<Self, SimulationError> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut keys = Vec::with_capacity(count);
        let mut public_keys = Vec::with_capacity(count);
        for _ in 0..count {
            let lifetime = Scheme::Test.lifetime();
            let material = KeyMaterial::generate(Scheme::Test, 0, lifetime, &mut random)?;
            let key = SecretKey::build(material, Threads::One, &|_| {});
            public_keys.push(PublicKey(key.public_key().to_bytes()));
            keys.push(Mutex::new(key));
        }
        Ok(Self { keys, public_keys })
    }

    pub(crate) fn genesis(&self) -> Result<State, SimulationError> {
        Ok(State::genesis(GENESIS_TIME, &self.public_keys)?)
    }

    /// Writes a validator's keystore into a directory, as an operator would have it.
    pub(crate) fn write(
        &self,
        validator: ValidatorIndex,
        directory: &Path,
    ) -> Result<(), SimulationError> {
        let key = self.keys[validator as usize].lock();
        let path = directory.join(keystore_file_name(validator));
        Ok(Keystore::of_key(&key, None)?
            .into_public_test_key()
            .write_new(&path)?)
    }

    /// Loads what [`Self::write`] has written.
    pub(crate) fn signer(
        &self,
        validator: ValidatorIndex,
        directory: &Path,
        record: &SigningRecord,
    ) -> Result<Signer, SimulationError> {
        let request = KeyRequest {
            index: validator,
            public_key: self.public_keys[validator as usize],
            file: None,
        };
        Ok(load_signer(directory, &request, None, record, &|_| {})?)
    }

    /// Signs without a record, as an adversary does.
    pub(crate) fn sign(&self, message: Attestation) -> Result<SignedAttestation, SimulationError> {
        let mut key = self.keys[message.validator_id as usize].lock();
        key.prepare(message.data.slot)?;
        let signature = key.sign(message.data.slot, &message.tree_hash_root().0)?;
        let signature = Signature::from(*signature);
        Ok(SignedAttestation { message, signature })
    }
}
