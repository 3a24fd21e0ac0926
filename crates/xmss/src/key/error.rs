//! Why a key cannot be.

use thiserror::Error;

use crate::encoding::DecodeError;

/// Why parts do not make up a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MaterialError {
    /// The active epochs do not fit the lifetime of the scheme.
    #[error("epochs {start} to {end} exceed the lifetime of {lifetime} epochs")]
    Lifetime {
        /// First epoch.
        start: u64,
        /// The epoch after the last one.
        end: u64,
        /// Number of epochs of the scheme.
        lifetime: u64,
    },
    /// A key has at least one epoch.
    #[error("a key must be active for at least one epoch")]
    Empty,
    /// A key of this format is active for whole bottom trees, at least two.
    #[error(
        "activation epoch {start} and {count} active epochs must be multiples of {unit}, the latter at least twice that"
    )]
    Alignment {
        /// First epoch.
        start: u64,
        /// Number of epochs.
        count: u64,
        /// Epochs in a bottom tree.
        unit: u64,
    },
    /// The padding nodes given are not those that this active range needs.
    #[error("padding node at layer {layer}, index {index} is {problem}")]
    Padding {
        /// Layer of the node.
        layer: u32,
        /// Index within the layer.
        index: u64,
        /// `missing` or `superfluous`.
        problem: &'static str,
    },
    /// A number is not a field element.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
