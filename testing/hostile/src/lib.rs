//! A hostile program against a devnet of real processes on this machine.
//!
//! An [`Attacker`] joins the devnet as any process on the network could: with identities of its own, hearing
//! what is gossiped, asking for blocks by root, replaying them from genesis. For most attacks it has no validator's
//! key; for those of [`Kind::Treason`] it has one. A [`Referee`] plays one attack
//! after another and says of each what it did to the nodes, judged by what they tell by RPC and metrics, by
//! what their processes take, by whose signatures were heard in time, and by how an honest user of HTTP and an
//! honest node that joins fare meanwhile.
//!
//! Beside that, [`links`] and [`partition`] try a network without an attacker whose links are bad.
//!
//! Nothing here is part of a node, and no node trusts it with anything.

mod attack_report;
mod attacker;
mod attacks;
mod chain;
mod devnet;
mod forge;
mod gap;
mod honest;
mod http;
mod limits;
mod newcomer;
mod node;
mod node_report;
mod process;
pub mod program;
mod referee;
mod table;
mod traitor;
mod trials;
mod watch;
mod wide;

pub use attack_report::{AttackOutcome, AttackReport};
pub use attacker::{Attacker, Deeds};
pub use attacks::{Attack, Kind};
pub use devnet::Devnet;
pub use limits::Limits;
pub use node::Node;
pub use node_report::NodeReport;
pub use referee::{Plan, Referee};
pub use table::table;
pub use trials::{Trial, links, partition};
pub use wide::WideNetwork;
