//! Trees of the shapes that a chain without finality may take, by chance or by an attack.

use quartet_fork_choice::BlockInfo;
use quartet_types::Root;

/// How the blocks hang together; the number of a block is its slot and its place in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chain,
    /// Every eighth block has a rival; every other time it is the rival, which comes second, that the chain goes on
    /// with.
    Forks,
    /// Every second block is a dead sibling of the one before it.
    Comb,
    /// Every second block is a dead sibling of the one after it, so that the chain always goes on with a second child.
    LateComb,
    /// All blocks have the same parent.
    Star,
    /// Each block has two children.
    Binary,
    /// Two branches from the start on, which grow by turns.
    Braid,
    /// On any block of the last sixteen.
    Bush,
    /// On any block at all.
    Random,
}

pub(crate) const SHAPES: [Shape; 9] = [
    Shape::Chain,
    Shape::Forks,
    Shape::Comb,
    Shape::LateComb,
    Shape::Star,
    Shape::Binary,
    Shape::Braid,
    Shape::Bush,
    Shape::Random,
];

/// A number that looks random (splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Shape {
    /// What the block with this number builds on; at least 1.
    pub(crate) fn parent(self, number: u64) -> u64 {
        match self {
            Self::Chain => number - 1,
            Self::Forks => match number % 16 {
                1 if number > 1 => number - 2,
                8 | 0 => number - 2,
                _ => number - 1,
            },
            Self::Comb => (number - 1) / 2 * 2,
            Self::LateComb => (number - 1) / 2 * 2,
            Self::Star => 0,
            Self::Binary => (number - 1) / 2,
            Self::Braid => number.saturating_sub(2),
            Self::Bush => number - 1 - mix(number) % number.min(16),
            Self::Random => mix(number) % number,
        }
    }

    pub(crate) fn block(self, number: u64) -> BlockInfo {
        BlockInfo {
            root: root(number),
            parent_root: match number {
                0 => Root::ZERO,
                _ => root(self.parent(number)),
            },
            slot: number,
        }
    }

    /// The tree's first blocks, the oldest included.
    pub(crate) fn blocks(self, count: u64) -> Vec<BlockInfo> {
        (0..count).map(|number| self.block(number)).collect()
    }
}

fn root(number: u64) -> Root {
    let mut root = Root::ZERO;
    root.0[..8].copy_from_slice(&mix(number).to_be_bytes());
    root.0[24..].copy_from_slice(&number.to_be_bytes());
    root
}
