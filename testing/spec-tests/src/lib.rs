//! Replays the reference vectors against every crate.
