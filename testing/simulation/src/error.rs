//! Why a run fails.

use quartet_chain::StoreError;
use quartet_keystore::{EncryptionError, KeyError, record::RecordError};
use quartet_types::GenesisError;

use crate::observer::Violation;

/// Why a run fails.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// Something happened that must never happen.
    #[error("seed {seed}: {what}\nwhat came before:\n{trace}")]
    Violation {
        /// The seed that replays the run.
        seed: u64,
        /// Which of the things that never must.
        kind: Violation,
        /// What happened.
        what: String,
        /// The latest events.
        trace: String,
    },
    /// A node is not in the state that the scenario takes it to be in.
    #[error("node {node} {state}")]
    Node {
        /// The node.
        node: usize,
        /// What is wrong with it.
        state: &'static str,
    },
    /// A node cannot start.
    #[error(transparent)]
    Chain(#[from] StoreError),
    /// There is no such genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A key cannot be loaded or stored.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A keystore cannot be made.
    #[error(transparent)]
    Keystore(#[from] EncryptionError),
    /// A key cannot be made.
    #[error(transparent)]
    KeyMaterial(#[from] quartet_xmss::MaterialError),
    /// A key cannot be prepared.
    #[error(transparent)]
    Trees(#[from] quartet_xmss::TreesError),
    /// A key does not sign.
    #[error(transparent)]
    Signature(#[from] quartet_xmss::SignError),
    /// A signer does not sign.
    #[error(transparent)]
    Signer(#[from] quartet_keystore::SignError),
    /// A signing record cannot be opened.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The file system fails.
    #[error("file system: {0}")]
    Io(#[from] std::io::Error),
    /// A recording cannot be begun.
    #[error(transparent)]
    Recording(#[from] quartet_recording::RecordingError),
    /// A block cannot be built.
    #[error("no block: {0}")]
    Block(String),
}
