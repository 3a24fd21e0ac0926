//! What the services count and time through the `metrics` macros, and the text that a scrape gets.
//!
//! The recorder knows each metric's meaning and buckets; what is not counted but is so at some moment (the head's
//! slot, the process' memory) is set at the scrape, as a gauge like any other. So the text is the exporter's own.

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
