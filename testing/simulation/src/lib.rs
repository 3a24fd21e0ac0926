//! Whole nodes in one process, on virtual time and a seeded simulated network.
//!
//! Every node has the real chain and validator services, fork choice, transitions, signatures of the
//! test scheme and signing record; only the network is simulated ([`Conditions`] say how well it works)
//! and time jumps to whatever happens next. A run depends on nothing but its seed:
//!
//! ```
//! use quartet_simulation::Simulation;
//!
//! let report = Simulation::new(7).nodes(4).run(async |world| {
//!     world.end_of(8).await?;
//!     world.kill(3).await?;
//!     world.end_of(12).await?;
//!     world.start(3)?;
//!     world.end_of(14).await?;
//!     assert!(world.common_head().is_some());
//!     Ok(())
//! });
//! # report.unwrap();
//! ```
//!
//! `examples/partition.rs` parts a network into halves and heals it, with a line for each slot.
//!
//! Whatever the scenario, these hold at all times or the run fails with its seed: no two nodes finalize
//! conflicting checkpoints, finality never goes back, no validator signs two messages in an epoch, no
//! service ends by itself, and no database loses what it has promised to keep. Keys of the test scheme live for 256 slots, and so does a run.

mod adversary;
mod arrivals;
mod bandwidth;
mod checkpoint;
mod disk;
mod error;
pub mod fuzz;
mod history;
mod killable;
mod lifecycle;
mod log;
mod machine_faults;
mod mesh;
mod meter;
mod network;
mod node;
mod observer;
mod oracle;
pub mod scale;
mod simulation;
pub mod stall;
mod trace;
mod validators;
mod wire;
mod world;

pub use adversary::Adversary;
pub use arrivals::Awaited;
pub use bandwidth::Line;
pub use disk::DiskError;
pub use error::SimulationError;
pub use history::History;
pub use mesh::GossipSettings;
pub use network::{Conditions, Wiring};
pub use observer::Violation;
pub use simulation::{Report, Simulation};
pub use trace::Fingerprint;
pub use world::World;
