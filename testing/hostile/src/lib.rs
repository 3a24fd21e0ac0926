//! A hostile program without any validator key, against a devnet of real processes on this machine.
//!
//! A [`Stranger`] joins the devnet as any process on the network could: with identities of its own, hearing
//! what is gossiped, asking for blocks by root, replaying them from genesis. A [`Referee`] plays one attack
//! after another and says of each what it did to the nodes, judged by what they tell by RPC and metrics, by
//! what their processes take, and by whose signatures were heard in time.
//!
//! Nothing here is part of a node, and no node trusts it with anything.

mod attacks;
mod chain;
mod devnet;
mod forge;
mod http;
mod node;
mod process;
pub mod program;
mod referee;
mod stranger;
mod verdict;

pub use attacks::{ATTACKS, Attack};
pub use devnet::Devnet;
pub use node::Node;
pub use referee::{Plan, Referee};
pub use stranger::{Deeds, Stranger};
pub use verdict::{Limits, NodeVerdict, Verdict, table};
