// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

mod chain;
mod compared;
mod held_against;
mod http;
mod liar;
mod tls;
