//! `LeanChain`, the chain service that is its only writer, and the event bus.
//!
//! Knows neither sockets nor files: peers are names, blocks come and go over channels, and what must
//! outlive the process goes to the database.

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
mod production;
mod reader;
mod recent;
mod service;
mod shared;
mod sightings;
mod verification;
mod vote_pool;

pub use envelope::max_useful_block_bytes;
pub use equivocations::{Equivocation, Equivocations};
pub use error::ImportError;
pub use events::{ChainEvent, Duty, DutyKind, DutyOutcome, EventBus, ImportedBlock, Source};
pub use lean_chain::{ForkChoiceNode, ForkChoiceView, ImportableBlock, LeanChain, Pruned};
pub use messages::{
    ChainHandle, ChainInbox, ChainMessage, GossipAttestation, NetworkHandle, NetworkMessage,
    Stopped, Verdict, VerdictSender, chain_channel, network_channel,
};
pub use peers::{Direction, PeerChange, PeerFigures, PeerInfo, Peers};
pub use production::{ProducedBlock, ProposalBasis};
pub use quartet_storage::Finality;
pub use quartet_sync::{PeerName, RequestError, SyncState};
pub use reader::{ChainReader, StoreError};
pub use recent::MemoryLimits;
pub use service::{
    ChainService, ChainServiceConfig, ChainServiceParts, ReplayedService, Standing, Waiting,
};
pub use shared::{ChainWriter, SharedChain};
pub use sightings::{Sightings, watch_validators};
pub use verification::{Verifier, VerifySignatures};
pub use vote_pool::Candidates;
