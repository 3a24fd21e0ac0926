//! The RPC service: JSON-RPC, the HTTP API and `/metrics`.
//!
//! Reads the chain, the peers and the clock, and answers those who ask; never writes to any of them.
//! What is answered where is in `docs/rpc.md`.

#![forbid(unsafe_code)]

mod accept;
mod block_id;
mod block_pieces;
mod condition;
mod error;
mod feed;
mod gzip;
mod http_api;
mod json_rpc;
mod node;
mod node_views;
mod page;
mod page_service;
mod pieces;
mod router;
mod scrape;
mod server;
mod service;
mod state_pieces;
mod tree_pieces;
mod views;

pub use condition::Condition;
pub use node::{NodeInfo, NodeParts, NodeView};
pub use page::PageNode;
pub use page_service::PageService;
pub use router::{metrics_router, router};
pub use server::{AllowedHosts, AllowedOrigins, Limits};
pub use service::{RpcConfig, RpcError, RpcService};
