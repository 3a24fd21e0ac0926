//! The database against plain maps, across restarts, crashes and damage.

// In a test an unwrap is an assertion, also outside of the test functions themselves.
#![allow(clippy::unwrap_used)]

mod blocks;
mod disk;
mod faults;
mod finality;
mod kills;
mod model;
mod opening;
mod snapshot;
mod states;
mod support;
mod verify;
