//! The service from outside: through its router, and over loopback sockets.

// In a test an unwrap is an assertion, also outside of the test functions themselves.
#![allow(clippy::unwrap_used)]

mod budget;
mod checkpoint;
mod conditions;
mod conformance;
mod cors;
mod events;
mod gzip;
mod history;
mod http_api;
mod json_rpc;
mod leanspec;
mod metrics;
mod node;
mod openrpc;
mod running;
mod service;
mod slow;
mod subscriptions;
