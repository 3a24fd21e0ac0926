//! Secret keys as leanSig writes them: the full top tree and two full bottom trees, in SSZ or in JSON.
//!
//! In JSON, field elements are numbers in Montgomery form; in SSZ they are canonical. The JSON form is these types
//! through serde.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::material::{KeyMaterial, MaterialError};
use super::secret::{Progress, SecretKey, Threads, whole_tree};
use super::top;
use super::trees::{Reader, Trees, TreesError, upper_root};
use crate::encoding::{DecodeError, PublicKey};
use crate::field::{self, DIGEST_ELEMENTS, Digest, P};
use crate::parameters::{Instance, PARAMETER_ELEMENTS};
use crate::prf::{self, Derivation, KEY_BYTES};

/// Length of the part of the SSZ form before the trees.
const FIXED_BYTES: usize = KEY_BYTES + 4 * PARAMETER_ELEMENTS + 8 + 8 + 4 + 8 + 4 + 4;
const DIGEST_BYTES: usize = 4 * DIGEST_ELEMENTS;

/// A field element in Montgomery form, below the prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ForeignElement(u32);

impl TryFrom<u32> for ForeignElement {
    type Error = DecodeError;

    fn try_from(value: u32) -> Result<Self, DecodeError> {
        if value < P {
            Ok(Self(value))
        } else {
            Err(DecodeError::NonCanonical {
                field: "field element",
                index: 0,
                value,
            })
        }
    }
}

impl From<ForeignElement> for u32 {
    fn from(element: ForeignElement) -> Self {
        element.0
    }
}

/// A layer of a foreign tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignLayer {
    /// Index of the first node within the layer.
    pub start_index: u64,
    /// The nodes.
    pub nodes: Vec<[ForeignElement; DIGEST_ELEMENTS]>,
}

/// A foreign tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignTree {
    /// Layers of the whole tree, without the root's.
    pub depth: u64,
    /// The lowest layer of this part of it.
    pub lowest_layer: u64,
    /// The layers, the lowest first.
    pub layers: Vec<ForeignLayer>,
}

/// A foreign secret key. The names of the fields are those of the JSON form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The seed of all secrets.
    pub prf_key: [u8; KEY_BYTES],
    /// The public parameter.
    pub parameter: [ForeignElement; PARAMETER_ELEMENTS],
    /// The first active epoch.
    pub activation_epoch: u64,
    /// The number of active epochs.
    pub num_active_epochs: u64,
    /// The tree over the roots of all bottom trees.
    pub top_tree: ForeignTree,
    /// Index of the first prepared bottom tree.
    pub left_bottom_tree_index: u64,
    /// The first prepared bottom tree.
    pub left_bottom_tree: ForeignTree,
    /// The one after it.
    pub right_bottom_tree: ForeignTree,
}

/// Why a foreign key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForeignKeyError {
    /// The bytes are not an encoding.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The parts do not make up a key.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The nodes do not lead to the public key.
    #[error(transparent)]
    Trees(#[from] TreesError),
    /// A tree does not have the shape that the key calls for.
    #[error("{tree}: {what} is {found}, expected {expected}")]
    Shape {
        /// Which tree.
        tree: &'static str,
        /// Which number.
        what: &'static str,
        /// What it must be.
        expected: u64,
        /// What it is.
        found: u64,
    },
}

impl Drop for ForeignKey {
    fn drop(&mut self) {
        self.prf_key.zeroize();
    }
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignKey")
            .field("activation_epoch", &self.activation_epoch)
            .field("num_active_epochs", &self.num_active_epochs)
            .field("left_bottom_tree_index", &self.left_bottom_tree_index)
            .field("prf_key", &"(secret)")
            .finish_non_exhaustive()
    }
}

impl ForeignKey {
    /// Decodes the SSZ form.
    ///
    /// # Errors
    /// Returns an error when the bytes are not exactly an encoding.
    pub fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader { bytes, at: 0 };
        let prf_key = Zeroizing::new(rest.array::<KEY_BYTES>()?);
        let parameter = elements(rest.take(4 * PARAMETER_ELEMENTS)?, "parameter")?;
        let activation_epoch = u64::from_le_bytes(rest.array()?);
        let num_active_epochs = u64::from_le_bytes(rest.array()?);
        let top = u32::from_le_bytes(rest.array()?);
        let left_bottom_tree_index = u64::from_le_bytes(rest.array()?);
        let left = u32::from_le_bytes(rest.array()?);
        let right = u32::from_le_bytes(rest.array()?);
        expect_offset("top tree", top, FIXED_BYTES)?;
        let tree = |field, from: u32, to: usize| {
            let found = from;
            let bytes = bytes.get(from as usize..to).ok_or(DecodeError::Offset {
                field,
                expected: u32::try_from(to).unwrap_or(u32::MAX),
                found,
            })?;
            ForeignTree::from_ssz_bytes(bytes)
        };
        Ok(Self {
            prf_key: *prf_key,
            parameter,
            activation_epoch,
            num_active_epochs,
            top_tree: tree("left bottom tree", top, left as usize)?,
            left_bottom_tree_index,
            left_bottom_tree: tree("right bottom tree", left, right as usize)?,
            right_bottom_tree: tree("right bottom tree", right, bytes.len())?,
        })
    }

    /// Encodes the SSZ form. The bytes hold the secret.
    #[must_use]
    pub fn to_ssz_bytes(&self) -> Zeroizing<Vec<u8>> {
        let [top, left, right] = [
            &self.top_tree,
            &self.left_bottom_tree,
            &self.right_bottom_tree,
        ];
        let left_at = FIXED_BYTES + top.ssz_length();
        let right_at = left_at + left.ssz_length();
        let mut bytes = Zeroizing::new(Vec::with_capacity(right_at + right.ssz_length()));
        bytes.extend_from_slice(&self.prf_key);
        push_elements(&mut bytes, &self.parameter);
        bytes.extend_from_slice(&self.activation_epoch.to_le_bytes());
        bytes.extend_from_slice(&self.num_active_epochs.to_le_bytes());
        bytes.extend_from_slice(&(FIXED_BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(&self.left_bottom_tree_index.to_le_bytes());
        bytes.extend_from_slice(&(left_at as u32).to_le_bytes());
        bytes.extend_from_slice(&(right_at as u32).to_le_bytes());
        for tree in [top, left, right] {
            tree.append_ssz(&mut bytes);
        }
        bytes
    }

    /// Takes over what a key of ours keeps of this one. That its nodes lead to `public_key`, if one is given, is
    /// checked; what lies below the nodes we keep is recomputed, and checked, when it is needed.
    ///
    /// # Errors
    /// Returns an error when the key's parts do not fit each other or the public key.
    pub fn import(
        &self,
        instance: impl Into<Instance>,
        public_key: Option<&PublicKey>,
    ) -> Result<SecretKey, ForeignKeyError> {
        let instance = instance.into();
        let parameters = instance.parameters();
        let (height, depth) = (parameters.bottom_height(), parameters.log_lifetime);
        let unit = parameters.epochs_per_tree();
        let range = self.activation_epoch / unit
            ..self.activation_epoch.saturating_add(self.num_active_epochs) / unit;
        self.top_tree
            .expect_shape("top tree", depth, height, depth - height + 1)?;

        let mut padding = BTreeMap::new();
        for (layer, index) in top::padding_positions(parameters, range.clone()) {
            padding.insert(
                (layer, index),
                self.top_tree.node("top tree", layer, index)?,
            );
        }
        let material = KeyMaterial::from_elements(
            (instance, Derivation::LeanSig),
            Zeroizing::new(self.prf_key),
            self.parameter.map(u32::from),
            self.activation_epoch,
            self.num_active_epochs,
            padding,
        )?;
        let roots = range
            .clone()
            .map(|tree| self.top_tree.node("top tree", height, tree))
            .collect::<Result<Vec<_>, _>>()?;

        let mut trees = Trees {
            instance,
            first: range.start,
            roots,
            upper: BTreeMap::new(),
            partial: None,
        };
        let left = self.left_bottom_tree_index;
        let bottom = [
            ("left bottom tree", left, &self.left_bottom_tree),
            (
                "right bottom tree",
                left.saturating_add(1),
                &self.right_bottom_tree,
            ),
        ];
        for (name, index, tree) in bottom {
            if !range.contains(&index) {
                let (expected, found) = (range.end - 1, index);
                return Err(ForeignKeyError::Shape {
                    tree: name,
                    what: "index",
                    expected,
                    found,
                });
            }
            tree.expect_shape(name, depth, 0, height + 1)?;
            let count = parameters.nodes_per_tree() as u64;
            let nodes = (index * count..(index + 1) * count)
                .map(|node| tree.node(name, parameters.subtree_height(), node))
                .collect::<Result<Vec<_>, _>>()?;
            if upper_root(&material, index, nodes.clone())
                != trees.roots[(index - range.start) as usize]
            {
                return Err(TreesError::Tree { tree: index }.into());
            }
            trees.upper.insert(index, nodes);
        }
        let key = SecretKey::assemble(material, trees);
        let stated = PublicKey {
            root: self.top_tree.node("top tree", depth, 0)?,
            parameter: self.parameter.map(u32::from),
        };
        let expected = public_key.unwrap_or(&stated);
        if key.public_key() != *expected {
            return Err(TreesError::Root {
                expected: format!("{expected:?}"),
                found: format!("{:?}", key.public_key()),
            }
            .into());
        }
        Ok(key)
    }

    /// Makes the foreign form of a key, which must have [`Derivation::LeanSig`] to be of use there, with the bottom tree of `epoch` and the one after it prepared. The two
    /// are computed anew: seconds.
    ///
    /// An `epoch` that is not active stands for the nearest that is.
    #[must_use]
    pub fn export(
        key: &SecretKey,
        epoch: u64,
        threads: Threads,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Self {
        let material = key.material();
        let parameters = material.instance.parameters();
        let trees = material.trees();
        let depth = u64::from(parameters.log_lifetime);
        let left = (epoch >> parameters.bottom_height()).clamp(trees.start, trees.end - 2);

        let total = 2 * parameters.epochs_per_tree();
        let done = std::sync::atomic::AtomicU64::new(0);
        let step = |epochs| {
            let done = done.fetch_add(epochs, std::sync::atomic::Ordering::Relaxed) + epochs;
            progress(Progress { done, total });
        };
        let bottom = |tree: u64| {
            let layers = whole_tree(material, tree, threads, &step);
            let height = layers.len() - 1;
            let layers = layers
                .iter()
                .enumerate()
                .map(|(level, nodes)| ForeignLayer::new(tree << (height - level), nodes));
            ForeignTree {
                depth,
                lowest_layer: 0,
                layers: layers.collect(),
            }
        };
        let top_tree = ForeignTree {
            depth,
            lowest_layer: u64::from(parameters.bottom_height()),
            layers: key
                .top()
                .layers()
                .iter()
                .map(|layer| ForeignLayer::new(layer.start, &layer.nodes))
                .collect(),
        };
        let mut foreign = Self {
            prf_key: *material.prf_key(),
            parameter: material.parameter.map(ForeignElement),
            activation_epoch: material.active().start,
            num_active_epochs: material.active().end - material.active().start,
            top_tree,
            left_bottom_tree_index: left,
            left_bottom_tree: bottom(left),
            right_bottom_tree: bottom(left + 1),
        };
        // leanSig pads the root's layer like all others.
        let beside_root = prf::padding_node(material.prf_key(), parameters.log_lifetime, 1);
        if let Some(layer) = foreign.top_tree.layers.last_mut() {
            layer.nodes.push(beside_root.map(ForeignElement));
        }
        foreign
    }
}

impl ForeignLayer {
    fn new(start_index: u64, nodes: &[Digest]) -> Self {
        Self {
            start_index,
            nodes: nodes.iter().map(|node| node.map(ForeignElement)).collect(),
        }
    }
}

impl ForeignTree {
    fn expect_shape(
        &self,
        tree: &'static str,
        depth: u32,
        lowest_layer: u32,
        layers: u32,
    ) -> Result<(), ForeignKeyError> {
        let numbers = [
            ("depth", depth, self.depth),
            ("lowest layer", lowest_layer, self.lowest_layer),
            ("number of layers", layers, self.layers.len() as u64),
        ];
        for (what, expected, found) in numbers {
            if found != u64::from(expected) {
                return Err(ForeignKeyError::Shape {
                    tree,
                    what,
                    expected: expected.into(),
                    found,
                });
            }
        }
        Ok(())
    }

    /// A node, by its layer in the whole tree and its index there.
    fn node(&self, tree: &'static str, layer: u32, index: u64) -> Result<Digest, ForeignKeyError> {
        let height = u64::from(layer).saturating_sub(self.lowest_layer);
        let stretch = self.layers.get(height as usize);
        let node = stretch.and_then(|stretch| {
            let at = index.checked_sub(stretch.start_index)?;
            stretch.nodes.get(usize::try_from(at).ok()?)
        });
        node.map(|node| node.map(u32::from))
            .ok_or(ForeignKeyError::Shape {
                tree,
                what: "end of a layer",
                expected: index + 1,
                found: stretch.map_or(0, |stretch| {
                    stretch
                        .start_index
                        .saturating_add(stretch.nodes.len() as u64)
                }),
            })
    }

    fn ssz_length(&self) -> usize {
        20 + self
            .layers
            .iter()
            .map(|layer| 4 + layer.ssz_length())
            .sum::<usize>()
    }

    fn append_ssz(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.depth.to_le_bytes());
        bytes.extend_from_slice(&self.lowest_layer.to_le_bytes());
        bytes.extend_from_slice(&20u32.to_le_bytes());
        let mut offset = 4 * self.layers.len();
        for layer in &self.layers {
            bytes.extend_from_slice(&(offset as u32).to_le_bytes());
            offset += layer.ssz_length();
        }
        for layer in &self.layers {
            bytes.extend_from_slice(&layer.start_index.to_le_bytes());
            bytes.extend_from_slice(&12u32.to_le_bytes());
            for node in &layer.nodes {
                push_elements(bytes, node);
            }
        }
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader { bytes, at: 0 };
        let depth = u64::from_le_bytes(rest.array()?);
        let lowest_layer = u64::from_le_bytes(rest.array()?);
        expect_offset("layers", u32::from_le_bytes(rest.array()?), 20)?;
        let list = &bytes[20..];
        if list.is_empty() {
            return Ok(Self {
                depth,
                lowest_layer,
                layers: Vec::new(),
            });
        }
        // A list of variable-length items begins with an offset per item, so the first one tells their number.
        let mut offsets = Vec::new();
        let first = u32::from_le_bytes(rest.array()?);
        if first % 4 != 0 || first == 0 || first as usize > list.len() {
            return Err(DecodeError::Offset {
                field: "first layer",
                expected: 4,
                found: first,
            });
        }
        offsets.push(first as usize);
        for _ in 1..first / 4 {
            offsets.push(u32::from_le_bytes(rest.array()?) as usize);
        }
        offsets.push(list.len());
        let layers = offsets
            .windows(2)
            .map(|pair| {
                let layer = list.get(pair[0]..pair[1]).ok_or(DecodeError::Offset {
                    field: "layer",
                    expected: u32::try_from(pair[0]).unwrap_or(u32::MAX),
                    found: u32::try_from(pair[1]).unwrap_or(u32::MAX),
                })?;
                ForeignLayer::from_ssz_bytes(layer)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            depth,
            lowest_layer,
            layers,
        })
    }
}

impl ForeignLayer {
    fn ssz_length(&self) -> usize {
        12 + DIGEST_BYTES * self.nodes.len()
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader { bytes, at: 0 };
        let start_index = u64::from_le_bytes(rest.array()?);
        expect_offset("nodes", u32::from_le_bytes(rest.array()?), 12)?;
        let nodes = &bytes[12..];
        if nodes.len() % DIGEST_BYTES != 0 {
            let expected = 12 + nodes.len() / DIGEST_BYTES * DIGEST_BYTES;
            return Err(DecodeError::Length {
                what: "layer",
                expected,
                found: bytes.len(),
            });
        }
        let nodes = nodes
            .chunks_exact(DIGEST_BYTES)
            .map(|node| elements(node, "node"));
        Ok(Self {
            start_index,
            nodes: nodes.collect::<Result<_, _>>()?,
        })
    }
}

fn elements<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<[ForeignElement; N], DecodeError> {
    let mut elements = [0; N];
    field::read_canonical(bytes, &mut elements).map_err(|(index, value)| {
        DecodeError::NonCanonical {
            field,
            index,
            value,
        }
    })?;
    Ok(elements.map(ForeignElement))
}

fn push_elements(bytes: &mut Vec<u8>, elements: &[ForeignElement]) {
    for element in elements {
        bytes.extend_from_slice(&field::to_canonical(element.0).to_le_bytes());
    }
}

fn expect_offset(field: &'static str, found: u32, expected: usize) -> Result<(), DecodeError> {
    let expected = expected as u32;
    if found == expected {
        Ok(())
    } else {
        Err(DecodeError::Offset {
            field,
            expected,
            found,
        })
    }
}
