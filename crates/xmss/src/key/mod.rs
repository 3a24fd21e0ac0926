//! Secret keys: what they are made of, what is kept prepared of their trees, and signing with them.
//!
//! A key is a Merkle tree over its epochs. A *bottom tree* covers √lifetime epochs (2^16), the *top tree* joins
//! the roots of the bottom trees that the key is active for. A whole bottom tree would take 4 MiB, so only its
//! *upper part* is kept: the nodes eight layers above the leaves and, by recomputation, all above them. The
//! *subtree* of 2^8 epochs below one such node is recomputed when its epochs come.

mod foreign;
mod material;
mod secret;
mod subtree;
mod top;
mod trees;

pub use foreign::{ForeignElement, ForeignKey, ForeignKeyError, ForeignLayer, ForeignTree};
pub(crate) use material::expand_activation;
pub use material::{KeyMaterial, MaterialError, PaddingNode};
pub use secret::{SecretKey, SignError};
pub use subtree::{Progress, Subtree, SubtreeWork, Threads};
pub use trees::{Trees, TreesError};
