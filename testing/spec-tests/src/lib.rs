//! Replays the reference vectors against every crate.
//!
//! Here is what all kinds of vectors share: finding the files, and counting what was read and what passed. What a kind
//! means is in `tests/vectors`, one file per kind.

mod directory;
mod report;

pub use directory::{VectorFile, Vectors};
pub use report::Report;
