//! Small chains with true roots and states.

use std::{fs, path::Path, sync::Arc};

use quartet_state_transition::seal_block;
use quartet_storage::{Database, Entry, FILE_NAME, StoredBlock};
use quartet_types::{
    Attestation, AttestationData, B256, Block, BlockBody, BlockWithAttestation, Checkpoint,
    PublicKey, Root, Signature, SignedBlockWithAttestation, Slot, State, proposer_index,
};
use tempfile::{TempDir, tempdir};
use tree_hash::TreeHash as _;

pub(crate) const START: (Slot, Root) = (0, B256::ZERO);
pub(crate) const VALIDATORS: u64 = 4;

/// A block with its post-state.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) root: Root,
    pub(crate) block: Arc<SignedBlockWithAttestation>,
    pub(crate) state: Arc<State>,
}

impl Made {
    pub(crate) fn genesis() -> Self {
        let keys: Vec<_> = (0..VALIDATORS).map(|i| PublicKey([i as u8; 52])).collect();
        let state = State::genesis(7, &keys).unwrap();
        let mut block = SignedBlockWithAttestation::default();
        block.message.block = Block::genesis(&state);
        Self::new(block, state)
    }

    fn new(block: SignedBlockWithAttestation, state: State) -> Self {
        Self {
            root: block.block().tree_hash_root(),
            block: block.into(),
            state: state.into(),
        }
    }

    /// A child in `slot`, whose first `voters` validators vote for this block.
    pub(crate) fn child(&self, slot: Slot, voters: u64) -> Self {
        let vote = |validator_id| Attestation {
            validator_id,
            data: AttestationData {
                slot: slot - 1,
                head: self.checkpoint(),
                target: self.checkpoint(),
                source: self.justified(),
            },
        };
        let attestations: Vec<_> = (0..voters).map(vote).collect();
        let block = Block {
            slot,
            proposer_index: proposer_index(slot, VALIDATORS).unwrap(),
            parent_root: self.root,
            state_root: Root::ZERO,
            body: BlockBody {
                attestations: attestations.try_into().unwrap(),
            },
        };
        let (block, state) = seal_block(&self.state, block).unwrap();
        let signatures =
            (0..=voters).map(|voter| Signature::from([slot as u8 ^ voter as u8; 3112]));
        let own = Attestation {
            validator_id: block.proposer_index,
            data: AttestationData {
                slot,
                head: block.checkpoint(),
                target: self.checkpoint(),
                source: self.justified(),
            },
        };
        let block = SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block,
                proposer_attestation: own,
            },
            signature: signatures.collect::<Vec<_>>().try_into().unwrap(),
        };
        Self::new(block, state)
    }

    /// As many descendants, one a slot; each finalizes what is two slots older.
    pub(crate) fn chain(&self, length: usize) -> Vec<Self> {
        let child = |parent: &Self| Some(parent.child(parent.slot() + 1, VALIDATORS));
        std::iter::successors(child(self), child)
            .take(length)
            .collect()
    }

    pub(crate) fn slot(&self) -> Slot {
        self.block.block().slot
    }

    pub(crate) fn key(&self) -> (Slot, Root) {
        (self.slot(), self.root)
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot(),
        }
    }

    fn justified(&self) -> Checkpoint {
        match self.slot() {
            0 => self.checkpoint(),
            _ => self.state.latest_justified,
        }
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry {
            root: self.root,
            slot: self.slot(),
            parent_root: self.block.block().parent_root,
            justified: self.justified(),
            finalized: self.state.latest_finalized,
        }
    }

    pub(crate) fn stored(&self, with_state: bool) -> StoredBlock {
        StoredBlock {
            root: self.root,
            block: self.block.clone(),
            justified: self.justified(),
            finalized: self.state.latest_finalized,
            state: with_state.then(|| self.state.clone()),
        }
    }
}

pub(crate) fn network() -> Root {
    Made::genesis().root
}

pub(crate) fn open(directory: &Path) -> Database {
    Database::open(directory, network()).unwrap()
}

/// A database in memory that has started from genesis.
pub(crate) fn started() -> Database {
    let database = Database::in_memory(network()).unwrap();
    database.start_from(&Made::genesis().stored(true)).unwrap();
    database
}

pub(crate) fn put_all(database: &Database, blocks: &[Made], state_every: Slot) {
    for block in blocks {
        let with_state = block.slot().is_multiple_of(state_every);
        database.put(block.stored(with_state)).unwrap();
    }
}

/// What a node would find after being killed now: the bytes of the file, and no memory.
pub(crate) fn killed(directory: &TempDir) -> TempDir {
    let copy = tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    fs::copy(path, copy.path().join(FILE_NAME)).unwrap();
    copy
}
