//! Secret keys: what they are made of, what is kept prepared of their trees, and signing with them.
//!
//! A key is a Merkle tree over all epochs of the lifetime, of which it is active in some; nodes outside of them are
//! never computed, but replaced by padding nodes from the key's PRF. A *bottom tree* covers √lifetime epochs (2^16),
//! the *top tree* joins the roots of the bottom trees with active epochs. A whole bottom tree would take 4 MiB, so only
//! its *upper part* is kept: the nodes eight layers above the leaves, of keys with few epochs down to four, and, by
//! recomputation, all above them. The *subtree* of 2^8 epochs (or 2^4) below one such node is recomputed when its
//! epochs come.

mod error;
mod foreign;
mod layers;
mod material;
mod secret;
mod shape;
mod subtree;
mod trees;

pub use error::MaterialError;
pub use foreign::{ForeignElement, ForeignKey, ForeignKeyError, ForeignLayer, ForeignTree};
pub use material::{KeyMaterial, PaddingNode};
pub use secret::{SecretKey, SignError};
pub use subtree::{Progress, Subtree, SubtreeWork, Threads};
pub use trees::{Trees, TreesError};
