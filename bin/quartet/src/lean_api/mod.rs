//! Reads facts about a node: from Quartet's JSON-RPC, or from the HTTP API that other clients share.

mod condition;
mod facts;
mod http;
mod json_rpc;
mod reader;

pub(crate) use condition::Condition;
pub(crate) use facts::{Facts, Peer, Place, Tally, Validator};
pub(crate) use json_rpc::Call;
pub(crate) use reader::{Failure, Reader, address, unix_ms};
