//! A long chain on which everybody has done its duty in every slot, with real signatures.

use std::path::Path;

use anyhow::{Context as _, Result};
use quartet_chain::{ImportableBlock, LeanChain};
use quartet_config::GenesisConfig;
use quartet_storage::Database;
use quartet_types::{
    Attestation, BlockSignatures, BlockWithAttestation, INTERVALS_PER_SLOT, PublicKey, Signature,
    SignedAttestation, SignedBlockWithAttestation, Slot,
};
use quartet_xmss::{KeyMaterial, Scheme, SecretKey, Threads};
use rand::{SeedableRng as _, rngs::StdRng};
use tree_hash::TreeHash as _;

/// Slots after which is said how far it is.
const STEP: Slot = 1000;

/// The validators' keys, and from which slot on they are used.
pub(crate) struct Validators {
    keys: Vec<SecretKey>,
    first_signed: Slot,
}

impl Validators {
    /// Makes keys that are good for this many slots. Before `first_signed`, what they send has signatures that nobody can
    /// verify: a node that starts from a later checkpoint never asks for them.
    ///
    /// # Errors
    /// When there are no keys of that life.
    pub(crate) fn make(count: usize, slots: Slot, first_signed: Slot) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(1);
        let keys = (0..count).map(|_| {
            let material = KeyMaterial::generate(Scheme::Production, 0, slots + 1, &mut random)?;
            Ok(SecretKey::build(material, Threads::Pool, &|_| {}))
        });
        Ok(Self {
            keys: keys.collect::<Result<_>>()?,
            first_signed,
        })
    }

    /// Their public keys.
    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        let keys = self.keys.iter();
        keys.map(|key| PublicKey(key.public_key().to_bytes()))
            .collect()
    }

    fn sign(&mut self, message: Attestation) -> Result<SignedAttestation> {
        if message.data.slot < self.first_signed {
            let signature = Signature::default();
            return Ok(SignedAttestation { message, signature });
        }
        let key = &mut self.keys[message.validator_id as usize];
        key.prepare(message.data.slot)?;
        let signature = key.sign(message.data.slot, &message.tree_hash_root().0)?;
        let signature = Signature::from(*signature);
        Ok(SignedAttestation { message, signature })
    }

    /// Writes a chain of this many slots into a node's data directory, and returns how many votes its blocks carry.
    ///
    /// # Errors
    /// When the directory cannot be written to, or a block is not valid.
    pub(crate) fn write_chain(
        &mut self,
        genesis: &GenesisConfig,
        slots: Slot,
        data: &Path,
    ) -> Result<u64> {
        let mut chain = LeanChain::from_genesis(genesis.state()?);
        let network = chain.head().root;
        let database = Database::open(&data.join("blocks"), network)?;
        chain.write_anchor(&database)?;
        let mut votes = 0;
        for slot in 1..=slots {
            chain.advance(slot * INTERVALS_PER_SLOT);
            chain.accept_new_attestations();
            let basis = chain
                .proposal_basis()
                .context("the head's state is not at hand")?;
            let produced = basis.build(slot)?;
            votes += produced.signatures.len() as u64;
            let proposer = produced.block.proposer_index;
            let data = produced.attestation_data(&chain);
            let own = self.sign(Attestation {
                validator_id: proposer,
                data,
            })?;
            let mut signatures = produced.signatures;
            signatures.push(own.signature);
            let signature = BlockSignatures::try_from(signatures);
            let block = SignedBlockWithAttestation {
                message: BlockWithAttestation {
                    block: produced.block,
                    proposer_attestation: own.message,
                },
                signature: signature.ok().context("too many signatures")?,
            };
            let importable = ImportableBlock {
                root: produced.root,
                block: block.into(),
                post_state: produced.post_state.into(),
            };
            database.put(chain.to_store(&importable))?;
            let pruned = chain.import_block(importable)?;
            if !pruned.is_empty() {
                database.finalize(chain.latest_finalized(), &pruned.final_chain, slot)?;
            }
            chain.advance(slot * INTERVALS_PER_SLOT + 1);
            for validator_id in (0..self.keys.len() as u64).filter(|other| *other != proposer) {
                let data = chain.attestation_data(slot);
                let vote = self.sign(Attestation { validator_id, data })?;
                chain.import_attestation(&vote)?;
            }
            chain.advance(slot * INTERVALS_PER_SLOT + INTERVALS_PER_SLOT - 1);
            if slot % STEP == 0 {
                database.flush()?;
                let finalized = chain.latest_finalized().slot;
                eprintln!("made {slot} of {slots} slots, finalized {finalized}");
            }
        }
        database.flush()?;
        Ok(votes)
    }
}
