//! Fetches a finalized block and the state after it from other nodes' HTTP API, and checks them.
//!
//! The servers are trusted no further than needed: every answer is bounded in bytes and time, and must fit the local
//! genesis, the clock, itself, and the signatures of the registry's validators. It cannot be checked locally whether
//! other nodes follow the same chain; so several servers are compared with each other.
//!
//! # Where to begin
//!
//! [`fetch`] asks all servers at the same time and compares what they say (`servers`). What becomes of one answer is in
//! order: how many bytes it may have and how long it may take ([`Limits`], `exchange`), what its first bytes say of the
//! rest, before anything is decoded (`outline`), and whether block and state fit each other and the network
//! ([`Anchor::check`]). Each way to fail is a [`Refusal`] or a [`Mismatch`], and the tests' `liar` serves them.
//!
//! # Example
//!
//! ```
//! # use std::{io::{Read as _, Write as _}, net::TcpListener, thread};
//! # use ssz::Encode as _;
//! # use quartet_types::{Block, SignedBlockWithAttestation};
//! use quartet_checkpoint::{Anchor, Fetched, Limits, Mismatch, Network, ServerUrl, fetch};
//! use quartet_clock::Clock;
//! use quartet_types::{PublicKey, State};
//! use quartet_xmss::Scheme;
//!
//! let validators = [PublicKey::default()];
//! let genesis = State::genesis(1_700_000_000, &validators)?;
//! let clock = Clock::system(1_700_000_000);
//! let network = Network { genesis: genesis.clone(), clock, scheme: Scheme::Test };
//!
//! # // A server that has nothing but genesis, and so no block with signatures.
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let server = format!("http://{}", listener.local_addr()?);
//! # let bytes = genesis.as_ssz_bytes();
//! # thread::spawn(move || {
//! #     for mut stream in listener.incoming().flatten() {
//! #         let mut request = [0; 1024];
//! #         let length = stream.read(&mut request).unwrap_or(0);
//! #         let is_state = request[..length].starts_with(b"GET /lean/v0/states/finalized");
//! #         let (status, body) = if is_state { ("200 OK", &bytes[..]) } else { ("404 Not Found", &[][..]) };
//! #         let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n", body.len());
//! #         let _ = stream.write_all(&[head.as_bytes(), body].concat());
//! #     }
//! # });
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let fetched = runtime.block_on(async {
//! let servers: [ServerUrl; 1] = [server.parse()?];
//! let fetched = fetch(&servers, network.clone(), Limits::default()).await?;
//! # Ok::<_, Box<dyn std::error::Error>>(fetched)
//! # })?;
//! // The server has finalized nothing after genesis, and its genesis is ours.
//! assert!(matches!(fetched, Fetched::Genesis));
//!
//! // What comes from elsewhere is held against the network in the same way.
//! let other = State::genesis(1_700_000_004, &validators)?;
//! let refused = Anchor::check(&network, Default::default(), other);
//! assert!(matches!(refused, Err(Mismatch::GenesisTime { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

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
