//! A chain that was there before the run began, longer than the keys of the test scheme live.

use std::{path::Path, sync::Arc};

use quartet_chain::{ImportableBlock, LeanChain, ProducedBlock};
use quartet_keystore::{
    KeyRequest, Signer, inspect, keystore_file_name, load_signer, record::SigningRecord,
};
use quartet_types::{
    Attestation, BlockSignatures, BlockWithAttestation, INTERVALS_PER_SLOT,
    SignedBlockWithAttestation, Slot, State,
};
use quartet_xmss::Scheme;
use tree_hash::TreeHash as _;

use crate::{SimulationError, disk::Disk, validators::GENESIS_TIME};

/// A chain of validators with keys of the production scheme: a block in every slot, each with nothing
/// but its proposer's attestation, so that nothing is finalized.
#[derive(Clone, Debug)]
pub struct History {
    pub(crate) genesis: State,
    pub(crate) scheme: Scheme,
    pub(crate) length: Slot,
    pub(crate) disk: Disk,
}

/// What a proposer attests to.
#[derive(Clone, Copy, Debug)]
enum Attests {
    ToTheBlock,
    ToTheParent,
}

impl History {
    /// Makes a chain of this many slots with the key of validator 0 in a directory of keystores.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn make(keystores: &Path, length: Slot) -> Result<Self, SimulationError> {
        Self::build(keystores, length, 1, Attests::ToTheBlock)
    }

    /// Makes a chain of this many slots by this many validators that propose as `ream` does: each attests to the parent of its block.
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn half_bound(
        keystores: &Path,
        length: Slot,
        validators: u64,
    ) -> Result<Self, SimulationError> {
        Self::build(keystores, length, validators, Attests::ToTheParent)
    }

    fn build(
        keystores: &Path,
        length: Slot,
        validators: u64,
        attests: Attests,
    ) -> Result<Self, SimulationError> {
        let directory = tempfile::tempdir()?;
        let record = SigningRecord::open(&directory.path().join("signing-record"))?;
        let (mut public_keys, mut signers) = (Vec::new(), Vec::new());
        for index in 0..validators {
            // A copy, since a signer holds its key's file for itself.
            for kind in ["yaml", "trees"] {
                let name = format!("validator_{index}.{kind}");
                std::fs::copy(keystores.join(&name), directory.path().join(name))?;
            }
            let path = directory.path().join(keystore_file_name(index));
            let public_key = inspect(&path, None)?.public_key;
            let request = KeyRequest {
                index,
                public_key,
                file: None,
            };
            public_keys.push(public_key);
            signers.push(load_signer(
                directory.path(),
                &request,
                None,
                &record,
                &|_| {},
            )?);
        }

        let genesis = State::genesis(GENESIS_TIME, &public_keys)?;
        let mut chain = LeanChain::from_genesis(genesis.clone());
        let disk = Disk::default();
        let (store, _) = disk.open(&genesis)?;
        chain.write_anchor(&store)?;
        for slot in 1..=length {
            chain.advance(slot * INTERVALS_PER_SLOT);
            let signer = &signers[(slot % validators) as usize];
            let importable = propose(&chain, signer, slot, attests)?;
            let stored = store.put(chain.to_store(&importable));
            stored.map_err(|error| SimulationError::Block(error.to_string()))?;
            let imported = chain.import_block(importable);
            imported.map_err(|error| SimulationError::Block(error.to_string()))?;
        }
        let flushed = store.flush();
        flushed.map_err(|error| SimulationError::Block(error.to_string()))?;
        Ok(Self {
            genesis,
            scheme: Scheme::Production,
            length,
            disk,
        })
    }
}

fn propose(
    chain: &LeanChain,
    signer: &Signer,
    slot: Slot,
    attests: Attests,
) -> Result<ImportableBlock, SimulationError> {
    let failed = |error: &dyn ToString| SimulationError::Block(error.to_string());
    let basis = chain.proposal_basis();
    let mut basis = basis.ok_or_else(|| failed(&"the head's state is not at hand"))?;
    basis.attestations.clear();
    let produced = basis.build(slot).map_err(|error| failed(&error))?;
    let data = match attests {
        Attests::ToTheBlock => produced.attestation_data(chain),
        Attests::ToTheParent => chain.attestation_data(slot),
    };
    let proposer_attestation = Attestation {
        validator_id: produced.block.proposer_index,
        data,
    };
    signer.prepare(slot)?;
    let signature = signer.sign(slot, proposer_attestation.tree_hash_root())?;
    let signature = BlockSignatures::try_from(vec![signature]);
    let ProducedBlock {
        root,
        block,
        post_state,
        ..
    } = produced;
    let message = BlockWithAttestation {
        block,
        proposer_attestation,
    };
    let signature = signature.map_err(|_| SimulationError::Block("too large".to_owned()))?;
    Ok(ImportableBlock {
        root,
        block: Arc::new(SignedBlockWithAttestation { message, signature }),
        post_state: Arc::new(post_state),
    })
}
