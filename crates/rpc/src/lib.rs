//! The RPC service: JSON-RPC, the HTTP API and `/metrics`.
//!
//! Reads the chain, the peers and the clock, and answers those who ask; never writes to any of them.
//! What is answered where is in `docs/rpc.md`.
//!
//! # Example
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use quartet_chain::{ChainReader, ChainWriter, EventBus, LeanChain, Peers};
//! # use quartet_clock::Clock;
//! # use quartet_storage::Database;
//! # use quartet_types::{Block, PublicKey, Root, State};
//! use axum::{body::{Body, to_bytes}, http::Request};
//! use quartet_rpc::{NodeInfo, NodeParts, NodeView, router};
//! use tower::ServiceExt as _;
//!
//! # let genesis = State::genesis(1_000, &[PublicKey::default()])?;
//! # let genesis_root = Block::genesis(&genesis).checkpoint().root;
//! # let store = Arc::new(Database::in_memory(genesis_root)?);
//! # let chain = ChainWriter::new(LeanChain::from_genesis(genesis));
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let info = NodeInfo {
//!     name: "quartet_0".to_owned(),
//!     // …
//! #     version: "1.2.3".to_owned(),
//! #     commit: "abc1234".to_owned(),
//! #     validators: Vec::new(),
//! #     peer_id: String::new(),
//! #     enr: None,
//! #     addresses: Vec::new(),
//! #     genesis_root,
//! #     fork_name: "devnet0".to_owned(),
//! };
//! let parts = NodeParts {
//!     chain: ChainReader::new(chain.reader(), store),
//!     peers: Peers::default(),
//!     clock: Clock::manual(1_000, Duration::from_secs(1_000)),
//!     metrics: None,
//!     events: EventBus::new(),
//! };
//! let router = router(NodeView::new(info, parts));
//!
//! let call = r#"{"jsonrpc":"2.0","id":1,"method":"lean_head"}"#;
//! let request = Request::post("/").body(Body::from(call))?;
//! let response = router.oneshot(request).await?;
//! let answer: serde_json::Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await?)?;
//! assert_eq!(answer["result"]["slot"], 0);
//! assert_eq!(answer["result"]["root"], genesis_root.to_string());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod accept;
mod block_id;
mod block_pieces;
mod block_views;
mod condition;
mod error;
mod event_publisher;
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
mod slot_range;
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
