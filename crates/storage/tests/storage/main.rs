//! The database against plain maps, across restarts, crashes and damage.

// In a test an unwrap is an assertion, also outside of the test functions themselves.
#![allow(clippy::unwrap_used)]

mod blocks;
mod finality;
mod opening;
mod states;
mod support;
