//! Fuzz targets: each is a function of bytes that panics when its claim does not hold.
//!
//! The programs in `targets` give them to libFuzzer, and replay single inputs when built without it; this crate's tests replay
//! the committed corpora. `docs/fuzzing.md` says what each claims and how to run it.

// In a target an unwrap is an assertion, as in a test; to panic is how it says that it has found something.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod input;
mod program;
mod stored;
mod world;

pub mod addresses;
pub mod chain_service;
pub mod config_files;
pub mod database;
pub mod fork_choice;
pub mod frames;
pub mod gossip;
pub mod http;
pub mod key_files;
pub mod peers;
pub mod recordings;
pub mod signatures;
pub mod signing;
pub mod signing_file;
pub mod snapshots;
pub mod ssz_types;
pub mod state_transition;
pub mod streams;
pub mod sync;

pub use program::replay;

/// A target's function: any bytes, no panic.
pub type Target = fn(&[u8]);

/// All targets, by the names of their programs and corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("addresses", addresses::run),
    ("chain_service", chain_service::run),
    ("config_files", config_files::run),
    ("database", database::run),
    ("fork_choice", fork_choice::run),
    ("frames", frames::run),
    ("gossip", gossip::run),
    ("http", http::run),
    ("key_files", key_files::run),
    ("peers", peers::run),
    ("recordings", recordings::run),
    ("signatures", signatures::run),
    ("signing", signing::run),
    ("signing_file", signing_file::run),
    ("snapshots", snapshots::run),
    ("ssz_types", ssz_types::run),
    ("state_transition", state_transition::run),
    ("streams", streams::run),
    ("sync", sync::run),
];

#[cfg(test)]
mod tests;
