//! The chain service as the other services see it: what it answers, asks for, tells and keeps.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

mod blocks;
mod disk;
mod duties;
mod equivocations;
mod gossip;
mod past;
mod ranges;
mod recording;
mod restarts;
mod sync;
mod votes;
mod vouching;
mod writes;
