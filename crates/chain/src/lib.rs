//! `LeanChain`, the chain service that is its only writer, and the event bus.
//!
//! Knows neither sockets nor files: peers are names, blocks come and go over channels, and what must
//! outlive the process goes to the database.
//!
//! # Example
//!
//! A block is built on the head and imported, as [`ChainService`] does for every block once it has been checked:
//!
//! ```
//! use std::sync::Arc;
//!
//! use quartet_chain::{ImportableBlock, LeanChain};
//! use quartet_types::{INTERVALS_PER_SLOT, PublicKey, SignedBlockWithAttestation, State};
//!
//! let genesis = State::genesis(0, &[0, 1, 2].map(|byte| PublicKey([byte; 52])))?;
//! let mut chain = LeanChain::from_genesis(genesis);
//!
//! // The start of slot 1, validator 1 proposes.
//! chain.advance(INTERVALS_PER_SLOT);
//! let basis = chain.proposal_basis().ok_or("the head's state is not at hand")?;
//! let produced = basis.build(1)?;
//! let mut signed = SignedBlockWithAttestation::default();
//! signed.message.proposer_attestation.validator_id = 1;
//! signed.message.proposer_attestation.data = produced.attestation_data(&chain);
//! signed.message.block = produced.block;
//! let importable = ImportableBlock {
//!     root: produced.root,
//!     block: Arc::new(signed),
//!     post_state: Arc::new(produced.post_state),
//! };
//! let _ = chain.import_block(importable)?;
//!
//! assert_eq!((chain.head().root, chain.head().slot), (produced.root, 1));
//! // What this node's validators say a quarter of the slot later.
//! chain.advance(INTERVALS_PER_SLOT + 1);
//! assert_eq!(chain.attestation_data(1).head, chain.head());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod batch;
mod early;
mod envelope;
mod equivocations;
mod error;
mod events;
mod lean_chain;
mod messages;
mod origin;
mod parking;
mod past;
mod peers;
mod pending;
mod reader;
mod recent;
mod service;
mod shared;
mod sightings;
mod verification;
mod vote_pool;

pub use envelope::max_useful_block_bytes;
pub use equivocations::{Equivocation, Equivocations};
pub use error::{ImportError, StoreError};
pub use events::{ChainEvent, Duty, DutyKind, DutyOutcome, EventBus, ImportedBlock, Source};
pub use lean_chain::{
    ForkChoiceNode, ForkChoiceView, ImportableBlock, LeanChain, ProducedBlock, ProposalBasis,
    Pruned,
};
pub use messages::{
    ATTESTATION_QUEUE, ChainHandle, ChainInbox, ChainMessage, GossipAttestation, NetworkHandle,
    NetworkMessage, Stopped, Verdict, VerdictSender, chain_channel, network_channel,
};
pub use peers::{Direction, PeerChange, PeerFigures, PeerInfo, Peers};
pub use quartet_storage::Finality;
pub use quartet_sync::{PeerName, RequestError, SyncState};
pub use reader::ChainReader;
pub use recent::MemoryLimits;
pub use service::{
    ChainService, ChainServiceConfig, ChainServiceParts, ReplayedService, Standing, Waiting,
};
pub use shared::{ChainWriter, SharedChain};
pub use sightings::{Sightings, watch_validators};
pub use verification::{Verifier, VerifySignatures};
pub use vote_pool::Candidates;
