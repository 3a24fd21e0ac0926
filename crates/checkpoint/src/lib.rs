//! Fetches a finalized block and the state after it from other nodes' HTTP API, and checks them.
//!
//! Whoever serves them is not trusted further than needed: every answer is bounded in bytes and time, and what comes must fit
//! the local genesis, the clock, itself, and the signatures of the registry's validators. What cannot be seen from here is
//! whether the chain is the one that the others follow; several servers are therefore compared with each other.

mod anchor;
mod client;
mod error;
mod exchange;
mod limits;
mod outline;
mod server;
mod servers;
mod url;

#[cfg(test)]
mod tests;

pub use anchor::{Anchor, Network};
pub use client::Client;
pub use error::{CheckpointError, Claim, Mismatch, Refusal, Stage};
pub use limits::{Limits, MOST_SERVERS};
pub use servers::{Fetched, fetch};
pub use url::{ServerUrl, UrlError};
