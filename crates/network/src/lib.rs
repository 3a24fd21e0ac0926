//! The network service: QUIC, gossip, requests and static peers.
//!
//! It decides nothing about consensus. It decodes, bounds, asks and forwards: what comes from gossip
//! goes on to other peers only after the chain's verdict, and a rejection costs its sender score.
//! Every queue has a limit; when the chain does not keep up, blocks wait, attestations are dropped and
//! counted, and in the end peers are not read from.

#![forbid(unsafe_code)]
#![allow(
    clippy::iter_over_hash_type,
    reason = "what peers do has no order of its own"
)]

mod address;
mod address_limits;
mod bans;
mod behaviour;
mod byte_budget;
mod byte_counter;
mod config;
mod dialer;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod gossip;
mod log_limit;
mod outbox;
mod peer_slots;
mod penalties;
mod pending_handshakes;
mod protocol;
mod protocol_version;
mod restarts;
mod server;
mod service;
mod token_bucket;
mod traffic;
pub mod wire;

pub use config::{
    AddressLimits, DEFAULT_MAX_PEERS, DEFAULT_PEERS_PER_ADDRESS, Identity, InvalidSecret,
    InvalidStaticPeer, MAX_NAMED_PEERS, NetworkConfig, StaticPeer,
};
pub use protocol::{BLOCKS_BY_RANGE_PROTOCOL, BLOCKS_BY_ROOT_PROTOCOL, STATUS_PROTOCOL};
pub use service::{NetworkError, NetworkParts, NetworkService};
