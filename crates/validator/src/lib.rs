//! The validator service: proposes at the start of a slot and attests a quarter into it.
//!
//! Any number of validators per node. It reads the chain, never writes it: what it builds goes to the
//! chain service and to the network. Its keys sign only what the signing record grants.

#![forbid(unsafe_code)]

mod attest;
mod doppelganger;
mod missing_source;
mod outcomes;
mod propose;
mod service;
mod signers;

pub use service::{
    ValidatorService, ValidatorServiceConfig, ValidatorServiceError, ValidatorServiceParts,
};
pub use signers::Signers;
