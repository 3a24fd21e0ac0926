//! What a key is made of: everything else can be computed from it.

use std::{collections::BTreeMap, fmt, ops::Range};

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{
    error::MaterialError,
    shape::{Shape, expand_activation},
};
use crate::{
    encoding::DecodeError,
    field::{self, DIGEST_ELEMENTS, Digest, P, to_montgomery},
    parameters::{Instance, PARAMETER_ELEMENTS, Scheme},
    prf::{self, Derivation, KEY_BYTES},
};

/// All that is needed to rebuild a secret key.
///
/// Every chain start comes from the PRF key. The padding nodes beside the active range, which the tree needs and
/// no epoch ever uses, come from it too unless they are given (foreign keys have them drawn at random).
#[derive(Clone)]
pub struct KeyMaterial {
    pub(crate) shape: Shape,
    pub(crate) derivation: Derivation,
    pub(crate) prf_key: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) parameter: [u32; PARAMETER_ELEMENTS],
    /// By layer and index; empty when they come from the PRF key.
    padding: BTreeMap<(u32, u64), Digest>,
}

/// A node of the tree beside the active range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddingNode {
    /// Layer, counted from the leaves of the whole tree.
    pub layer: u32,
    /// Index within the layer.
    pub index: u64,
    /// The node, eight canonical elements.
    pub node: [u8; 32],
}

impl KeyMaterial {
    /// Draws a new key for `active_epochs` epochs from `activation_epoch` on. Building it takes time for these
    /// epochs only. See [`Scheme::whole_trees`](crate::Scheme::whole_trees) for the epochs of keys that other
    /// implementations can take over.
    ///
    /// # Errors
    /// Returns an error when there are no epochs, or they exceed the lifetime.
    pub fn generate(
        instance: impl Into<Instance>,
        activation_epoch: u64,
        active_epochs: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, MaterialError> {
        let shape = Shape::new(instance.into(), activation_epoch, active_epochs)?;
        let mut prf_key = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(prf_key.as_mut());
        let parameter = std::array::from_fn(|_| {
            // Numbers of 31 bits, drawn until one is below the prime, are uniform.
            loop {
                let candidate = rng.next_u32() >> 1;
                if candidate < P {
                    break to_montgomery(candidate);
                }
            }
        });
        Ok(Self {
            shape,
            derivation: Derivation::LeanSig,
            prf_key,
            parameter,
            padding: BTreeMap::new(),
        })
    }

    /// Puts a key together from its parts. The parameter is five canonical elements; `padding` is empty when
    /// the padding nodes come from the PRF key.
    ///
    /// # Errors
    /// Returns an error when there are no epochs or they exceed the lifetime, an element is not canonical, or
    /// padding nodes are given but not exactly the ones needed.
    pub fn from_parts(
        instance: impl Into<Instance>,
        derivation: Derivation,
        prf_key: [u8; KEY_BYTES],
        parameter: &[u8; 4 * PARAMETER_ELEMENTS],
        activation_epoch: u64,
        active_epochs: u64,
        padding: &[PaddingNode],
    ) -> Result<Self, MaterialError> {
        let mut elements = [0; PARAMETER_ELEMENTS];
        read("parameter", parameter, &mut elements)?;
        let mut nodes = BTreeMap::new();
        for padding in padding {
            let mut node = [0; DIGEST_ELEMENTS];
            read("padding node", &padding.node, &mut node)?;
            nodes.insert((padding.layer, padding.index), node);
        }
        let prf_key = Zeroizing::new(prf_key);
        let shape = Shape::new(instance.into(), activation_epoch, active_epochs)?;
        Self::from_elements(shape, derivation, prf_key, elements, nodes)
    }

    pub(crate) fn from_elements(
        shape: Shape,
        derivation: Derivation,
        prf_key: Zeroizing<[u8; KEY_BYTES]>,
        parameter: [u32; PARAMETER_ELEMENTS],
        padding: BTreeMap<(u32, u64), Digest>,
    ) -> Result<Self, MaterialError> {
        let material = Self {
            shape,
            derivation,
            prf_key,
            parameter,
            padding,
        };
        if !material.padding.is_empty() {
            let needed = shape.padding_positions();
            let missing = needed.iter().find(|at| !material.padding.contains_key(at));
            let superfluous = material.padding.keys().find(|at| !needed.contains(at));
            let problem = missing
                .map(|at| (at, "missing"))
                .or(superfluous.map(|at| (at, "superfluous")));
            if let Some(((layer, index), problem)) = problem {
                return Err(MaterialError::Padding {
                    layer: *layer,
                    index: *index,
                    problem,
                });
            }
        }
        Ok(material)
    }

    /// The parameter set and constant order of the key.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.shape.instance
    }

    /// How the secrets follow from the PRF key.
    #[must_use]
    pub fn derivation(&self) -> Derivation {
        self.derivation
    }

    /// The seed of all secrets. Handle with care: anybody who has it can sign.
    #[must_use]
    pub fn prf_key(&self) -> &[u8; KEY_BYTES] {
        &self.prf_key
    }

    /// The public parameter, five canonical elements.
    #[must_use]
    pub fn parameter(&self) -> [u8; 4 * PARAMETER_ELEMENTS] {
        let mut bytes = [0; 4 * PARAMETER_ELEMENTS];
        field::write_canonical(&self.parameter, &mut bytes);
        bytes
    }

    /// Epochs that the key can sign.
    #[must_use]
    pub fn active(&self) -> Range<u64> {
        self.shape.epochs()
    }

    /// The padding nodes that do not come from the PRF key; empty for keys of our own.
    #[must_use]
    pub fn padding(&self) -> Vec<PaddingNode> {
        self.padding
            .iter()
            .map(|((layer, index), digest)| {
                let mut node = [0; 32];
                field::write_canonical(digest, &mut node);
                PaddingNode {
                    layer: *layer,
                    index: *index,
                    node,
                }
            })
            .collect()
    }

    /// A padding node.
    pub(crate) fn padding_node(&self, layer: u32, index: u64) -> Digest {
        match self.padding.get(&(layer, index)) {
            Some(node) => *node,
            None => prf::padding_node(&self.prf_key, layer, index),
        }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial")
            .field("instance", &self.instance())
            .field("derivation", &self.derivation)
            .field("active", &self.active())
            .field("prf_key", &"(secret)")
            .finish_non_exhaustive()
    }
}

fn read(field: &'static str, bytes: &[u8], elements: &mut [u32]) -> Result<(), DecodeError> {
    field::read_canonical(bytes, elements).map_err(|(index, value)| DecodeError::NonCanonical {
        field,
        index,
        value,
    })
}

impl Scheme {
    /// The least whole bottom trees, at least two, that `active_epochs` epochs from `activation_epoch` on lie in,
    /// as epochs. Other implementations' keys always have such (leanSpec: `expand_activation_time`).
    ///
    /// # Errors
    /// Returns an error when the epochs exceed the lifetime.
    pub fn whole_trees(
        self,
        activation_epoch: u64,
        active_epochs: u64,
    ) -> Result<Range<u64>, MaterialError> {
        expand_activation(self.into(), activation_epoch, active_epochs)
    }
}
