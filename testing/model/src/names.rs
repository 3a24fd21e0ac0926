//! The small names of the model: roots, validators, and sets of both.

use std::fmt;

/// A slot's number.
pub type Slot = u8;

/// A validator's index; in the model each validator has a node of its own, with the same number.
pub type Validator = u8;

/// A block's name: its position in the order in which blocks were made.
///
/// Ties of the fork choice go to the larger root, hence to the younger block, unless a scope says otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(pub u8);

impl Root {
    /// The block in which the model begins.
    pub const GENESIS: Self = Self(0);
    /// A name that no block has.
    pub const INVENTED: Self = Self(u8::MAX);
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::GENESIS => write!(f, "genesis"),
            Self::INVENTED => write!(f, "invented"),
            Self(number) => write!(f, "b{number}"),
        }
    }
}

/// A set of blocks, of at most 128.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RootSet(u128);

impl RootSet {
    /// The most blocks that a run can have.
    pub const CAPACITY: usize = 128;

    /// Whether a block is in the set; an invented name never is.
    #[must_use]
    pub fn contains(self, root: Root) -> bool {
        usize::from(root.0) < Self::CAPACITY && self.0 >> root.0 & 1 == 1
    }

    /// Puts a block into the set.
    pub fn insert(&mut self, root: Root) {
        self.0 |= 1 << root.0;
    }

    /// Takes a block out of the set.
    pub fn remove(&mut self, root: Root) {
        self.0 &= !(1 << root.0);
    }

    /// The blocks, older ones first.
    pub fn iter(self) -> impl Iterator<Item = Root> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (lowest < 128).then_some(Root(lowest as u8))
        })
    }
}

impl fmt::Debug for RootSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A set of validators, or of their nodes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Validators(pub u8);

impl Validators {
    /// Nobody.
    pub const NONE: Self = Self(0);

    /// The validators from 0 to `count`, without `count`.
    #[must_use]
    pub fn first(count: u8) -> Self {
        Self(((1_u16 << count) - 1) as u8)
    }

    /// The validators in a list.
    #[must_use]
    pub fn of(validators: &[Validator]) -> Self {
        Self(validators.iter().fold(0, |set, index| set | 1 << index))
    }

    /// Whether a validator is in the set.
    #[must_use]
    pub fn contains(self, validator: Validator) -> bool {
        self.0 >> validator & 1 == 1
    }

    /// Puts a validator into the set.
    pub fn insert(&mut self, validator: Validator) {
        self.0 |= 1 << validator;
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The validators in their order.
    pub fn iter(self) -> impl Iterator<Item = Validator> {
        (0..8).filter(move |index| self.contains(*index))
    }

    /// Every subset, the empty one and the whole included.
    pub fn subsets(self) -> impl Iterator<Item = Self> {
        (0..=self.0)
            .filter(move |bits| bits & !self.0 == 0)
            .map(Self)
    }
}

impl fmt::Debug for Validators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
