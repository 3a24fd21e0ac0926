//! A conformance check over the wire, of a node of any client that speaks this protocol.
//!
//! The checker knows the rules and shares no code with our own node's network: it writes the bytes of requests, answers and
//! gossip itself, and sees every byte that comes back. It holds no consensus rules of its own either: states are those of
//! `quartet-state-transition`, signatures those of `quartet-xmss`.
//!
//! A [`Case`] is a rule, where it stands, and a small function that tries it. [`cases`] lists them, [`run`] plays them against a
//! node one after another, each with identities of its own, and tells of each what was sent, what was seen, and a [`Verdict`].
//! Every wait has an end.
//!
//! # Example
//!
//! ```
//! use std::{net::UdpSocket, time::Duration};
//!
//! use quartet_conformance::{Case, Group, Options, cases, run};
//!
//! // Where a node would listen. Here nobody answers.
//! let silent = UdpSocket::bind("127.0.0.1:0")?;
//! let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", silent.local_addr()?.port());
//! let mut options = Options::new(address.parse()?);
//! options.answer_timeout = Duration::from_millis(50);
//!
//! let chosen = |case: &Case| case.group == Group::Status;
//! let cases: Vec<Case> = cases().into_iter().filter(chosen).collect();
//! for case in &cases {
//!     println!("{}: {} ({})", case.id, case.rule, case.source);
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let report = runtime.block_on(async {
//! let report = run(options, &cases, |played| println!("{} {}", played.id, played.verdict)).await;
//! # report
//! # });
//! assert!(report.is_err(), "unreachable");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod case;
mod cases;
mod chain;
mod context;
#[cfg(test)]
mod fake;
mod frames;
mod gossip;
mod gossip_log;
mod identity;
mod junit;
mod options;
mod peer;
mod report;
mod requests;
mod run;
mod signing;
mod verdict;

pub use case::{Case, Group};
pub use cases::cases;
pub use junit::junit;
pub use options::{Address, Options};
pub use report::{Played, Report, Summary};
pub use run::{Unreachable, run};
pub use verdict::Verdict;
