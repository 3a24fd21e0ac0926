//! Secret keys as leanSig writes them: the full top tree and two full bottom trees, in SSZ or in JSON. A key whose
//! epochs do not make up whole bottom trees cannot be written so.
//!
//! In JSON, field elements are numbers in Montgomery form; in SSZ they are canonical. The JSON form is these types
//! through serde.

mod ssz;

use std::{collections::BTreeMap, fmt, ops::Range};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::{
    error::MaterialError,
    layers::NodeRange,
    material::KeyMaterial,
    secret::SecretKey,
    shape::Shape,
    subtree::{Progress, Threads, whole_tree},
    trees::{Trees, TreesError, upper_root},
};
use crate::{
    encoding::{DecodeError, PublicKey},
    field::{DIGEST_ELEMENTS, Digest, P},
    parameters::{Instance, PARAMETER_ELEMENTS},
    prf::{self, Derivation, KEY_BYTES},
};

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
    /// The key has no foreign form, since it lacks parts of its bottom trees.
    #[error(
        "the key is made for epochs {} to {} alone, and other implementations need whole trees of {unit} epochs, \
         at least two: this key can be used with Quartet only",
        active.start, active.end - 1
    )]
    NotWhole {
        /// Epochs that the key can sign.
        active: Range<u64>,
        /// Epochs of a bottom tree.
        unit: u64,
    },
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
    /// Takes what a key of ours stores from this one. Checks that its nodes lead to `public_key`, if one is given; what
    /// lies below the stored nodes is recomputed, and checked, when it is needed.
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
        let shape = Shape::new(instance, self.activation_epoch, self.num_active_epochs)?;
        if !shape.is_whole() {
            let alignment = MaterialError::Alignment {
                start: self.activation_epoch,
                count: self.num_active_epochs,
                unit: parameters.epochs_per_tree(),
            };
            return Err(alignment.into());
        }
        let range = shape.trees();
        self.top_tree
            .expect_shape("top tree", depth, height, depth - height + 1)?;

        let mut padding = BTreeMap::new();
        for (layer, index) in shape.padding_positions() {
            padding.insert(
                (layer, index),
                self.top_tree.node("top tree", layer, index)?,
            );
        }
        let material = KeyMaterial::from_elements(
            shape,
            Derivation::LeanSig,
            Zeroizing::new(self.prf_key),
            self.parameter.map(u32::from),
            padding,
        )?;
        let roots = range
            .clone()
            .map(|tree| self.top_tree.node("top tree", height, tree))
            .collect::<Result<Vec<_>, _>>()?;

        let mut trees = Trees {
            roots,
            ..Trees::empty(shape)
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
            let nodes = shape
                .subtrees_of(index)
                .map(|node| tree.node(name, shape.subtree_height(), node))
                .collect::<Result<Vec<_>, _>>()?;
            if upper_root(&material, index, nodes.clone()) != trees.root_of(index) {
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

    /// Makes the foreign form of a key, which must have [`Derivation::LeanSig`] to be usable there, with the bottom
    /// tree of `epoch` and the one after it prepared. Computing these two takes seconds.
    ///
    /// An `epoch` that is not active stands for the nearest that is.
    ///
    /// # Errors
    /// [`ForeignKeyError::NotWhole`] when the key's epochs are not whole bottom trees, at least two.
    pub fn export(
        key: &SecretKey,
        epoch: u64,
        threads: Threads,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, ForeignKeyError> {
        let material = key.material();
        let parameters = material.instance().parameters();
        if !material.shape.is_whole() {
            return Err(ForeignKeyError::NotWhole {
                active: material.active(),
                unit: parameters.epochs_per_tree(),
            });
        }
        let trees = material.shape.trees();
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
            ForeignTree {
                depth,
                lowest_layer: 0,
                layers: layers.iter().map(ForeignLayer::from).collect(),
            }
        };
        let top_tree = ForeignTree {
            depth,
            lowest_layer: u64::from(parameters.bottom_height()),
            layers: key.top().iter().map(ForeignLayer::from).collect(),
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
        Ok(foreign)
    }
}

impl From<&NodeRange> for ForeignLayer {
    fn from(range: &NodeRange) -> Self {
        let nodes = range.nodes.iter();
        Self {
            start_index: range.start,
            nodes: nodes.map(|node| node.map(ForeignElement)).collect(),
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
        let range = self.layers.get(height as usize);
        let node = range.and_then(|range| {
            let at = index.checked_sub(range.start_index)?;
            range.nodes.get(usize::try_from(at).ok()?)
        });
        node.map(|node| node.map(u32::from))
            .ok_or(ForeignKeyError::Shape {
                tree,
                what: "end of a layer",
                expected: index + 1,
                found: range.map_or(0, |range| {
                    range.start_index.saturating_add(range.nodes.len() as u64)
                }),
            })
    }
}
