//! How commands reach a running devnet: over a Unix socket in its directory, which only its owner can use.
//!
//! A request and a reply are a line of JSON each. Nothing of it is reached over a network.

mod client;
mod locate;
mod path;
mod server;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub(super) use client::{Unreached, ask};
pub(super) use locate::locate;
pub(super) use server::{Asked, Control};

use super::{guests::Questions, node_state::NodeState};

/// Bytes of a request: the names of all nodes of the largest devnet, several times over.
const MAX_REQUEST: u64 = 16 * 1024;
/// Bytes of a reply.
const MAX_REPLY: u64 = 256 * 1024;

/// A request to a running devnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(super) enum Request {
    /// The status of the nodes.
    Status,
    /// Stop all nodes and end.
    Stop,
    /// Kill a node.
    Kill { node: String },
    /// Start a node again.
    Restart { node: String },
    /// Keep groups of nodes apart, each of names separated by commas.
    Partition { groups: Vec<String> },
    /// Bring all nodes together again.
    Heal,
}

/// The reply to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reply {
    /// It was done; in words.
    Done(String),
    /// How the nodes are.
    Status(Status),
    /// It was not, for this reason.
    Refused(String),
}

/// How a running devnet is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    /// The process that holds it together.
    pub(super) pid: u32,
    /// The slot by the clock.
    pub(super) slot: u64,
    /// The groups of nodes that are kept apart, if any are.
    pub(super) partition: Option<String>,
    pub(super) nodes: Vec<NodeStatus>,
}

/// How a node of it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeStatus {
    pub(super) name: String,
    pub(super) standing: NodeState,
    pub(super) pid: u32,
    pub(super) http: SocketAddr,
    /// The client that it is of.
    pub(super) client: String,
    /// How its chain is queried, if it is of another client.
    #[serde(default)]
    pub(super) questions: Option<Questions>,
}
