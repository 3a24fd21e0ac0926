//! The numbers of the two parameter sets. What is computed from them is in `context`.

use crate::poseidon2::ConstantOrder;

/// Elements of the public parameter, a tweak, the encoded message, and the randomness of a signature.
pub(crate) const PARAMETER_ELEMENTS: usize = 5;
pub(crate) const TWEAK_ELEMENTS: usize = 2;
pub(crate) const MESSAGE_ELEMENTS: usize = 9;
pub(crate) const RANDOMNESS_ELEMENTS: usize = 7;
/// Elements of the sponge's capacity.
pub(crate) const CAPACITY_ELEMENTS: usize = 9;

/// Which parameter set a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The network's: lifetime 2^32 epochs, 64 chains of length 8 (leanSig's
    /// `SIGTopLevelTargetSumLifetime32Dim64Base8`).
    Production,
    /// leanSpec's small set for tests: lifetime 2^8 epochs, 4 chains of length 4. Without any security.
    Test,
}

/// A parameter set together with an order of the round constants. A bare [`Scheme`] converts to the
/// instance that the network speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The parameter set.
    pub scheme: Scheme,
    /// The order of Poseidon2's round constants.
    pub order: ConstantOrder,
}

impl From<Scheme> for Instance {
    fn from(scheme: Scheme) -> Self {
        Self {
            scheme,
            order: ConstantOrder::Interop,
        }
    }
}

/// The numbers of a parameter set (leanSpec: `xmss/constants.py`).
#[derive(Debug)]
pub(crate) struct Parameters {
    pub(crate) log_lifetime: u32,
    /// Number of chains.
    pub(crate) dimension: usize,
    /// Length of a chain.
    pub(crate) base: usize,
    /// What the digits of a codeword must sum to.
    pub(crate) target_sum: usize,
    /// The last layer of the hypercube that messages are mapped into.
    pub(crate) final_layer: usize,
    /// How many codewords a signer tries.
    pub(crate) max_tries: u64,
}

impl Parameters {
    /// Layers of a bottom tree above its leaves; also the layer that the top tree stands on.
    pub(crate) const fn bottom_height(&self) -> u32 {
        self.log_lifetime / 2
    }

    /// The most layers of a bottom tree that are computed at once; keys of few epochs have less, see `key::shape`.
    pub(crate) const fn greatest_subtree_height(&self) -> u32 {
        if self.bottom_height() < 8 {
            self.bottom_height()
        } else {
            8
        }
    }

    /// Epochs in a bottom tree.
    pub(crate) const fn epochs_per_tree(&self) -> u64 {
        1 << self.bottom_height()
    }

    /// Nodes kept of a whole bottom tree.
    pub(crate) const fn nodes_per_tree(&self) -> usize {
        1 << (self.bottom_height() - self.greatest_subtree_height())
    }

    pub(crate) const fn lifetime(&self) -> u64 {
        1 << self.log_lifetime
    }
}

static PRODUCTION: Parameters = Parameters {
    log_lifetime: 32,
    dimension: 64,
    base: 8,
    target_sum: 375,
    final_layer: 77,
    max_tries: 100_000,
};

static TEST: Parameters = Parameters {
    log_lifetime: 8,
    dimension: 4,
    base: 4,
    target_sum: 6,
    final_layer: 6,
    max_tries: 100_000,
};

impl Instance {
    pub(crate) fn parameters(self) -> &'static Parameters {
        self.scheme.parameters()
    }
}

impl Scheme {
    pub(crate) fn parameters(self) -> &'static Parameters {
        match self {
            Self::Production => &PRODUCTION,
            Self::Test => &TEST,
        }
    }

    /// Number of epochs of a whole lifetime: epochs are below it.
    #[must_use]
    pub fn lifetime(self) -> u64 {
        self.parameters().lifetime()
    }

    /// Number of epochs in a bottom tree. A key of ours may be active for any number of epochs; those of other
    /// implementations are for two [whole trees](Self::whole_trees) or more.
    #[must_use]
    pub fn epochs_per_tree(self) -> u64 {
        self.parameters().epochs_per_tree()
    }
}
