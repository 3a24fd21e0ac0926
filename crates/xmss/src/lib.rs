//! The signature scheme of the network: generalized XMSS over KoalaBear and Poseidon2, with the "top level target
//! sum" encoding.
//!
//! Here are keys, signatures, signing and verification, as bytes and as plain values. There are no chain types, files,
//! clocks, or threads of our own here. The normative source is leanSpec's `subspecs/xmss`; the network speaks the
//! constant order of leanSig (see [`ConstantOrder`]).
//!
//! Hashing runs on the widest vector unit that the processor has, found out when the program runs
//! ([`Backend::best`]). Every algorithm is written once, over lanes of any number; one lane is the reference
//! that the tests compare the others with.
//!
//! # Example
//!
//! A key of the test scheme signs, once in an epoch, and everybody can verify it:
//!
//! ```
//! use quartet_xmss::{KeyMaterial, Scheme, SecretKey, Threads, Verification};
//!
//! // Keys of `Scheme::Production` take some 40 µs for each epoch.
//! let (activation_epoch, active_epochs) = (0, 32);
//! let material =
//!     KeyMaterial::generate(Scheme::Test, activation_epoch, active_epochs, &mut rand::rng())?;
//! let mut key = SecretKey::build(material, Threads::One, &|_| ());
//!
//! let (epoch, message) = (7, [42; 32]);
//! key.prepare(epoch)?;
//! let signature = key.sign(epoch, &message)?;
//!
//! let verification = Verification {
//!     public_key: &key.public_key().to_bytes(),
//!     epoch,
//!     message: &message,
//!     signature: signature.as_slice(),
//! };
//! assert!(Scheme::Test.verify(&verification));
//! assert!(!Scheme::Test.verify(&Verification { epoch: 8, ..verification }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! That a key never signs two messages in one epoch, which would reveal it, is its owner's to see to:
//! `quartet-keystore` does.
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
