//! The signature scheme of the network: generalized XMSS over KoalaBear and Poseidon2, with the "top level target
//! sum" encoding.
//!
//! Here are keys, signatures, signing and verification, as bytes and as plain values. Never here: chain types,
//! files, clocks, threads of our own. The normative source is leanSpec's `subspecs/xmss`; the network speaks the
//! constant order of leanSig (see [`ConstantOrder`]).
//!
//! Hashing runs on the widest vector unit that the processor has, found out when the program runs
//! ([`Backend::best`]). Every algorithm is written once, over lanes of any number; one lane is the reference
//! that the tests compare the others with.
// Loops over lanes and elements index several arrays at once, and must not go through closures.
#![allow(clippy::needless_range_loop)]

mod chains;
mod context;
mod encoding;
mod field;
mod hash;
mod hypercube;
mod keccak;
mod key;
mod lanes;
mod leaves;
mod parameters;
mod poseidon2;
mod prf;
#[doc(hidden)]
pub mod primitives;
mod sign;
mod tweak;
mod verify;

pub use encoding::{DecodeError, PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES, Signature};
pub use key::{
    ForeignElement, ForeignKey, ForeignKeyError, ForeignLayer, ForeignTree, KeyMaterial,
    MaterialError, PaddingNode, Progress, SecretKey, SignError, Subtree, SubtreeWork, Threads,
    Trees, TreesError,
};
pub use lanes::Backend;
pub use parameters::{Instance, Scheme};
pub use poseidon2::ConstantOrder;
pub use prf::Derivation;
pub use verify::{Verification, Verifier};
