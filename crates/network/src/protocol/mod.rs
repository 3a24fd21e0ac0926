//! The request/response protocols as libp2p codecs.
//!
//! Decoding happens here, in the task of the connection, so that a peer's bytes never hold up the
//! service.

mod blocks;
mod error_reply;
mod idle_timeout_reader;
mod query;
mod received_blocks;
mod status;

use libp2p::StreamProtocol;

pub(crate) use blocks::{BlocksCodec, BlocksResponse, Piece, Pieces};
pub(crate) use error_reply::ErrorReply;
pub(crate) use query::{BlocksQuery, Via};
pub(crate) use received_blocks::{Block, ReceivedBlocks};
pub(crate) use status::{StatusCodec, StatusRequest, StatusResponse};

/// The protocol in which peers tell each other of their chains. Source: leanSpec `networking/reqresp/message.py`.
pub const STATUS_PROTOCOL: &str = "/leanconsensus/req/status/1/ssz_snappy";
/// The protocol in which blocks are asked for by their roots. Source: leanSpec `networking/reqresp/message.py`.
pub const BLOCKS_BY_ROOT_PROTOCOL: &str = "/leanconsensus/req/blocks_by_root/1/ssz_snappy";
/// The protocol in which the blocks of the responder's chain are asked for by their slots. Source: revisions of leanSpec after
/// the one that the rest follows.
pub const BLOCKS_BY_RANGE_PROTOCOL: &str = "/leanconsensus/req/blocks_by_range/1/ssz_snappy";

pub(crate) static STATUS: StreamProtocol = StreamProtocol::new(STATUS_PROTOCOL);
pub(crate) static BLOCKS_BY_ROOT: StreamProtocol = StreamProtocol::new(BLOCKS_BY_ROOT_PROTOCOL);
pub(crate) static BLOCKS_BY_RANGE: StreamProtocol = StreamProtocol::new(BLOCKS_BY_RANGE_PROTOCOL);
