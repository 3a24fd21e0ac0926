//! What a key is made of: everything else can be computed from it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::top;
use crate::encoding::DecodeError;
use crate::field::{self, DIGEST_ELEMENTS, Digest, P, to_montgomery};
use crate::parameters::{Instance, PARAMETER_ELEMENTS};
use crate::prf::{self, Derivation, KEY_BYTES};

/// All that is needed to rebuild a secret key.
///
/// Every chain start comes from the PRF key. The nodes beside the active range, which the top tree needs and
/// no epoch ever uses, come from it too unless they are given (foreign keys have them drawn at random).
#[derive(Clone)]
pub struct KeyMaterial {
    pub(crate) instance: Instance,
    pub(crate) derivation: Derivation,
    pub(crate) prf_key: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) parameter: [u32; PARAMETER_ELEMENTS],
    pub(crate) activation_epoch: u64,
    pub(crate) active_epochs: u64,
    /// By layer and index; empty when they come from the PRF key.
    padding: BTreeMap<(u32, u64), Digest>,
}

/// A node of the top tree beside the active range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddingNode {
    /// Layer, counted from the leaves of the whole tree.
    pub layer: u32,
    /// Index within the layer.
    pub index: u64,
    /// The node, eight canonical elements.
    pub node: [u8; 32],
}

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
    /// A key is active for whole bottom trees, at least two.
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

impl KeyMaterial {
    /// Draws a new key for `active_epochs` epochs from `activation_epoch` on, both widened to whole bottom trees
    /// as the specification does (leanSpec: `expand_activation_time`).
    ///
    /// # Errors
    /// Returns an error when the epochs asked for exceed the lifetime.
    pub fn generate(
        instance: impl Into<Instance>,
        activation_epoch: u64,
        active_epochs: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, MaterialError> {
        let instance = instance.into();
        let active = expand_activation(instance, activation_epoch, active_epochs)?;
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
            instance,
            derivation: Derivation::LeanSig,
            prf_key,
            parameter,
            activation_epoch: active.start,
            active_epochs: active.end - active.start,
            padding: BTreeMap::new(),
        })
    }

    /// Puts a key together from its parts. The parameter is five canonical elements; `padding` is empty when
    /// the padding nodes come from the PRF key.
    ///
    /// # Errors
    /// Returns an error when the active range is not one that [`KeyMaterial::generate`] makes, an element is not
    /// canonical, or padding nodes are given but not exactly the ones needed.
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
        Self::from_elements(
            (instance.into(), derivation),
            prf_key,
            elements,
            activation_epoch,
            active_epochs,
            nodes,
        )
    }

    pub(crate) fn from_elements(
        (instance, derivation): (Instance, Derivation),
        prf_key: Zeroizing<[u8; KEY_BYTES]>,
        parameter: [u32; PARAMETER_ELEMENTS],
        activation_epoch: u64,
        active_epochs: u64,
        padding: BTreeMap<(u32, u64), Digest>,
    ) -> Result<Self, MaterialError> {
        let parameters = instance.parameters();
        let unit = parameters.epochs_per_tree();
        let lifetime = parameters.lifetime();
        let aligned = activation_epoch.is_multiple_of(unit) && active_epochs.is_multiple_of(unit);
        if !aligned || active_epochs < 2 * unit {
            return Err(MaterialError::Alignment {
                start: activation_epoch,
                count: active_epochs,
                unit,
            });
        }
        let end = activation_epoch.saturating_add(active_epochs);
        if end > lifetime {
            return Err(MaterialError::Lifetime {
                start: activation_epoch,
                end,
                lifetime,
            });
        }
        let material = Self {
            instance,
            derivation,
            prf_key,
            parameter,
            activation_epoch,
            active_epochs,
            padding,
        };
        if !material.padding.is_empty() {
            let needed = top::padding_positions(parameters, material.trees());
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
        self.instance
    }

    /// How the secrets follow from the PRF key.
    #[must_use]
    pub fn derivation(&self) -> Derivation {
        self.derivation
    }

    /// The seed of all secrets. Handle with care: who has it can sign.
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
        self.activation_epoch..self.activation_epoch + self.active_epochs
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

    /// Indices of the bottom trees that make up the active range.
    pub(crate) fn trees(&self) -> Range<u64> {
        let unit = self.instance.parameters().epochs_per_tree();
        let active = self.active();
        active.start / unit..active.end / unit
    }

    /// A padding node of the top tree.
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
            .field("instance", &self.instance)
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

/// Widens an active range to whole bottom trees, at least two, moved back where it would end after the lifetime.
pub(crate) fn expand_activation(
    instance: Instance,
    activation_epoch: u64,
    active_epochs: u64,
) -> Result<Range<u64>, MaterialError> {
    let parameters = instance.parameters();
    let (unit, lifetime) = (parameters.epochs_per_tree(), parameters.lifetime());
    let wanted_end = activation_epoch.saturating_add(active_epochs);
    if wanted_end > lifetime {
        return Err(MaterialError::Lifetime {
            start: activation_epoch,
            end: wanted_end,
            lifetime,
        });
    }
    let start = activation_epoch / unit * unit;
    let end = (wanted_end.div_ceil(unit) * unit).max(start + 2 * unit);
    // Only the minimum of two trees can reach beyond the lifetime.
    let excess = end.saturating_sub(lifetime);
    Ok(start - excess..end - excess)
}
