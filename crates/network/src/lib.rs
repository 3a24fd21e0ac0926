//! The network service: QUIC, gossip, requests and static peers.
//!
//! It decides nothing about consensus. It decodes, bounds, asks and forwards: what comes from gossip
//! goes on to other peers only after the chain's verdict, and a rejection costs its sender score.
//! Every queue has a limit; when the chain does not keep up, blocks wait, attestations are dropped and
//! counted, and in the end peers are not read from.
//!
//! # Example
//!
//! What a vote is on the wire, which [`NetworkService`] does for all that comes and goes:
//!
//! ```
//! use quartet_network::wire::{Topic, compress, decode_payload, decompress, encode_payload, message_id};
//!
//! let topic = Topic::Attestation.name("devnet0");
//! assert_eq!(topic, "/leanconsensus/devnet0/attestation/ssz_snappy");
//!
//! // By gossip: raw snappy, with an id over what it decompresses to.
//! let vote = [7; 3248];
//! let message = compress(&vote)?;
//! assert!(message.len() < vote.len());
//! assert_eq!(decompress(&message, Topic::Attestation.max_bytes())?, vote);
//! assert_eq!(message_id(&topic, &message).len(), 20);
//! // What announces more than may be is refused before anything is decompressed.
//! assert!(decompress(&message, vote.len() - 1).is_err());
//!
//! // In requests: a length, then framed snappy.
//! let request = encode_payload(&vote)?;
//! assert_eq!(decode_payload(&request, 1, vote.len())?, vote);
//! # Ok::<(), quartet_network::wire::WireError>(())
//! ```

#![forbid(unsafe_code)]
#![allow(
    clippy::iter_over_hash_type,
    reason = "what peers do has no order of its own"
)]

mod address;
mod bans;
mod behaviour;
mod byte_budget;
mod byte_counter;
mod config;
mod connection_limits;
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
