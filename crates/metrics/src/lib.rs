//! What the services count and time through the `metrics` macros, and the text that a scrape gets.
//!
//! The recorder knows each metric's meaning and buckets. Values that are read and not counted (the head's slot, the
//! process' memory) are set at the scrape, as gauges. So the whole text is the exporter's own.
//!
//! # Example
//!
//! ```
//! use quartet_metrics::{Metrics, Reading, SyncStatus};
//!
//! // A node's main function calls `Metrics::install`, which takes in what all threads count.
//! let metrics = Metrics::detached()?;
//! metrics.observe(|| metrics::counter!("lean_attestations_valid_total").increment(3));
//!
//! let scrape = metrics.render(&Reading {
//!     client: "quartet",
//!     version: "1.2.3",
//!     commit: "abc1234",
//!     node: "quartet_0",
//!     started: 1_800_000_000.0,
//!     validators: 2,
//!     current_slot: 9,
//!     head_slot: 8,
//!     safe_target_slot: 7,
//!     justified_slot: 6,
//!     finalized_slot: 5,
//!     head_justified_slot: 6,
//!     head_finalized_slot: 5,
//!     sync: SyncStatus::Synced,
//!     condition: "synced",
//! });
//! assert!(scrape.contains("\nlean_attestations_valid_total 3\n"));
//! assert!(scrape.contains("\nlean_head_slot 8\n"));
//! # Ok::<(), quartet_metrics::MetricsError>(())
//! ```

#![forbid(unsafe_code)]

mod alias;
mod catalogue;
mod disk;
mod process;
mod reading;
mod recorder;
#[cfg(test)]
mod tests;

pub use reading::{CONDITIONS, Reading, SyncStatus};
pub use recorder::{Metrics, MetricsError};

/// The media type of a scrape's answer (Prometheus text format, version 0.0.4).
pub const CONTENT_TYPE_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
