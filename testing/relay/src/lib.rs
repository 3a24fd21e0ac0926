//! A UDP relay that delays, drops and cuts, so that nodes of any kind can be tried over bad links.
//!
//! It stands between clients and one target, as a router does: each client that sends to it is known to the
//! target by a port of its own, and what the target answers there goes back to that client. What becomes of
//! each datagram is drawn from a seed, so that two runs with the same traffic have the same delays and losses.

mod conditions;
mod flows;
mod queue;
mod relay;

pub use conditions::{Conditions, Cut};
pub use relay::{Relay, RelayConfig, Stats};
