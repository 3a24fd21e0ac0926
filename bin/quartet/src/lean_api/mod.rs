//! Reads what a node tells of itself: all of it from Quartet's JSON-RPC, and from another client what the field's HTTP API has.

mod condition;
mod facts;
mod http;
mod json_rpc;
mod reader;

pub(crate) use condition::Condition;
pub(crate) use facts::{Facts, Peer, Place, Tally, Validator};
pub(crate) use json_rpc::Call;
pub(crate) use reader::{Failure, Reader, address, unix_ms};
