//! Replays the reference vectors against every crate.
//!
//! Here is what all kinds of vectors share: finding the files, and counting what was read and what passed. What a kind
//! means is in `tests/vectors`, one file per kind. Tests of other crates find their vectors by [`Vectors`], too.

mod archive;
mod directory;
mod report;

pub use archive::{Comparison, LARGE_KEYS};
pub use directory::{VectorFile, Vectors, is_prose};
pub use report::Report;
