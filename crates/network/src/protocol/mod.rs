//! The two request/response protocols as libp2p codecs.
//!
//! Decoding happens here, in the task of the connection, so that a peer's bytes never hold up the
//! service.

mod blocks;
mod patient;
mod status;

use libp2p::StreamProtocol;

pub(crate) use blocks::{BlocksCodec, BlocksResponse, ErrorReply};
pub(crate) use status::{StatusCodec, StatusResponse};

/// The protocol in which peers tell each other of their chains.
pub const STATUS_PROTOCOL: &str = "/leanconsensus/req/status/1/ssz_snappy";
/// The protocol in which blocks are asked for by their roots.
pub const BLOCKS_BY_ROOT_PROTOCOL: &str = "/leanconsensus/req/blocks_by_root/1/ssz_snappy";

pub(crate) static STATUS: StreamProtocol = StreamProtocol::new(STATUS_PROTOCOL);
pub(crate) static BLOCKS_BY_ROOT: StreamProtocol = StreamProtocol::new(BLOCKS_BY_ROOT_PROTOCOL);
