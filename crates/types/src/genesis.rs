//! The genesis state and the genesis block.

use tree_hash::TreeHash as _;

use crate::{
    Bitlist, Block, BlockBody, BlockHeader, Checkpoint, Config, PublicKey, RootList, SharedRoots,
    State, VALIDATOR_REGISTRY_LIMIT, Validator, Validators,
};

/// A genesis state cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// There would be nobody to propose or attest.
    #[error("a genesis needs at least one validator")]
    NoValidators,
    /// More validators than the registry holds.
    #[error("{found} validators exceed the registry's limit of {limit}")]
    TooManyValidators {
        /// Validators given.
        found: usize,
        /// Validators the registry holds.
        limit: u64,
    },
}

impl State {
    /// The genesis state: slot 0, an empty block's header, empty history, validators in the given order.
    ///
    /// # Errors
    /// When there are no validators or more than the registry's limit.
    pub fn genesis(genesis_time: u64, validators: &[PublicKey]) -> Result<Self, GenesisError> {
        if validators.is_empty() {
            return Err(GenesisError::NoValidators);
        }
        let entries = validators.iter().zip(0..).map(|(pubkey, index)| Validator {
            pubkey: *pubkey,
            index,
        });
        let validators =
            Validators::try_from_iter(entries).map_err(|_| GenesisError::TooManyValidators {
                found: validators.len(),
                limit: VALIDATOR_REGISTRY_LIMIT,
            })?;
        Ok(Self {
            config: Config { genesis_time },
            slot: 0,
            latest_block_header: BlockHeader {
                body_root: BlockBody::default().tree_hash_root(),
                ..BlockHeader::default()
            },
            latest_justified: Checkpoint::default(),
            latest_finalized: Checkpoint::default(),
            historical_block_hashes: RootList::new(),
            justified_slots: Bitlist::new(),
            validators,
            justifications_roots: SharedRoots::default(),
            justifications_validators: Bitlist::new(),
        })
    }
}

impl Block {
    /// The block on which every chain of `genesis` builds: slot 0, no parent, empty body.
    pub fn genesis(genesis: &State) -> Self {
        Self {
            state_root: genesis.tree_hash_root(),
            ..Self::default()
        }
    }
}
