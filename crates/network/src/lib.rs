//! The network service: QUIC, gossip, requests and static peers.
//!
//! It decides nothing about consensus. It decodes, bounds, asks and forwards: what comes from gossip
//! goes on to other peers only after the chain's verdict.

mod protocol;
pub mod wire;

pub use protocol::{BLOCKS_BY_ROOT_PROTOCOL, STATUS_PROTOCOL};
