//! A conformance check over the wire, of a node of any client that speaks this protocol.
//!
//! The checker knows the rules and shares no code with our own node's network: it writes the bytes of requests, answers and
//! gossip itself, and sees every byte that comes back. It holds no consensus rules of its own either: states are those of
//! `quartet-state-transition`, signatures those of `quartet-xmss`.
//!
//! A [`Case`] is a rule, where it stands, and a small function that tries it. [`cases`] lists them, [`run`] plays them against a
//! node one after another, each with identities of its own, and tells of each what was sent, what was seen, and a [`Verdict`].
//! Every wait has an end.

mod case;
mod cases;
mod chain;
#[cfg(test)]
mod fake;
mod frames;
mod gossip;
mod identity;
mod junit;
mod options;
mod peer;
mod report;
mod requests;
mod run;
mod scene;
mod signing;

pub use case::{Case, Group, Verdict};
pub use cases::cases;
pub use junit::junit;
pub use options::{Address, Options};
pub use report::{Played, Report, Summary};
pub use run::{Unreachable, run};
