//! What is kept of a key's trees, in memory and in a file beside the key: enough to sign at once, small enough
//! for many keys.

use std::{collections::BTreeMap, ops::Range};

use thiserror::Error;

use super::{
    layers::{self, NodeRange, climb},
    material::KeyMaterial,
    shape::Shape,
};
use crate::{
    encoding::DecodeError,
    field::{self, DIGEST_ELEMENTS, Digest},
    lanes::Backend,
    parameters::{Instance, Scheme},
    poseidon2::ConstantOrder,
};

/// First bytes of an encoding of whole bottom trees, which are counted, and of any epochs.
const MAGIC: [[u8; 8]; 2] = [*b"QXTREES1", *b"QXTREES2"];
const HEADER_BYTES: usize = 40;
const DIGEST_BYTES: usize = 4 * DIGEST_ELEMENTS;

/// A key keeps the upper parts of at most this many bottom trees: 64 of 8 KiB each.
pub(crate) const TREES_KEPT: usize = 64;

/// The kept nodes of a key's trees. There is nothing secret in them, but they are of no use without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Trees {
    pub(crate) shape: Shape,
    /// Roots of all bottom trees of the key.
    pub(crate) roots: Vec<Digest>,
    /// The lowest kept layer of some of the bottom trees: the roots of their subtrees.
    pub(crate) upper: BTreeMap<u64, Vec<Digest>>,
    /// The beginning of such a layer, of the tree that is being built.
    pub(crate) partial: Option<(u64, Vec<Digest>)>,
}

/// Why kept trees do not fit a key, or are damaged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreesError {
    /// The bytes are not an encoding of trees.
    #[error("not a file of prepared trees: it begins with {found:02x?}")]
    Magic {
        /// What the bytes begin with.
        found: Vec<u8>,
    },
    /// The bytes are trees of epochs that no key has.
    #[error("not a file of prepared trees: it is for {count} epochs from {start} on")]
    Epochs {
        /// The first epoch.
        start: u64,
        /// How many there are.
        count: u64,
    },
    /// The bytes are cut off or corrupt.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The trees are those of another scheme or active range.
    #[error(
        "trees of {found_scheme:?} for epochs {found:?}, but the key is of {expected_scheme:?} for epochs {expected:?}"
    )]
    OtherKey {
        /// The key's scheme.
        expected_scheme: Instance,
        /// The key's epochs.
        expected: Range<u64>,
        /// The scheme of the trees.
        found_scheme: Instance,
        /// The epochs of the trees.
        found: Range<u64>,
    },
    /// The roots of the trees do not lead to the public key.
    #[error(
        "prepared trees lead to public key {found}, expected {expected}: rebuild them from the key"
    )]
    Root {
        /// The public key, in hex.
        expected: String,
        /// What the trees lead to, in hex.
        found: String,
    },
    /// A bottom tree that was rebuilt has another root than the key's.
    #[error(
        "bottom tree {tree}, rebuilt from the key, has not the root it must have: the key file is damaged"
    )]
    Tree {
        /// Index of the bottom tree.
        tree: u64,
    },
    /// A part of a bottom tree that was rebuilt does not fit the tree.
    #[error("the subtree of epochs {} to {}, rebuilt from the key, does not fit its tree: the key file is damaged", epochs.start, epochs.end - 1)]
    Subtree {
        /// Epochs of the part.
        epochs: Range<u64>,
    },
}

impl Trees {
    /// Trees of which nothing is known yet, not even all roots.
    pub(crate) fn empty(shape: Shape) -> Self {
        Self {
            shape,
            roots: Vec::new(),
            upper: BTreeMap::new(),
            partial: None,
        }
    }

    /// The root of a bottom tree, which must be one of the key's.
    pub(crate) fn root_of(&self, tree: u64) -> Digest {
        self.roots[(tree - self.shape.trees().start) as usize]
    }

    /// Encodes the trees: header, roots, upper parts, the part being built; elements canonical.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let form = usize::from(!self.shape.is_whole());
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.roots.len() * DIGEST_BYTES);
        bytes.extend_from_slice(&MAGIC[form]);
        bytes.push(match self.shape.instance.scheme {
            Scheme::Production => 0,
            Scheme::Test => 1,
        });
        bytes.push(match self.shape.instance.order {
            ConstantOrder::Interop => 0,
            ConstantOrder::Spec => 1,
        });
        bytes.extend_from_slice(&[0; 2]);
        let (partial_tree, partial) = match &self.partial {
            Some((tree, nodes)) => (*tree, nodes.as_slice()),
            None => (0, [].as_slice()),
        };
        if self.shape.is_whole() {
            bytes.extend_from_slice(&(self.roots.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&self.shape.trees().start.to_le_bytes());
        } else {
            let epochs = self.shape.epochs();
            bytes.extend_from_slice(&((epochs.end - epochs.start) as u32).to_le_bytes());
            bytes.extend_from_slice(&epochs.start.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.upper.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(partial.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&partial_tree.to_le_bytes());
        push_digests(&mut bytes, &self.roots);
        for (tree, nodes) in &self.upper {
            bytes.extend_from_slice(&tree.to_le_bytes());
            push_digests(&mut bytes, nodes);
        }
        push_digests(&mut bytes, partial);
        bytes
    }

    /// Decodes trees. Whether they belong to a key, and are whole, is for [`SecretKey::load`] to find out.
    ///
    /// # Errors
    /// Returns an error when the bytes are not exactly an encoding.
    ///
    /// [`SecretKey::load`]: super::SecretKey::load
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreesError> {
        let Some(form) = MAGIC.iter().position(|magic| bytes.starts_with(magic)) else {
            return Err(TreesError::Magic {
                found: bytes.iter().take(8).copied().collect(),
            });
        };
        let mut rest = Reader { bytes, at: 8 };
        let instance = rest.instance()?;
        let count = u64::from(u32::from_le_bytes(rest.array()?));
        let start = u64::from_le_bytes(rest.array()?);
        let unit = match form {
            0 => instance.parameters().epochs_per_tree(),
            _ => 1,
        };
        let shape = shape_of(instance, start, count, unit)?;
        let upper = u32::from_le_bytes(rest.array()?) as usize;
        let partial = u32::from_le_bytes(rest.array()?) as usize;
        let partial_tree = u64::from_le_bytes(rest.array()?);
        if partial == 0 && partial_tree != 0 {
            return Err(DecodeError::Offset {
                field: "tree being built",
                expected: 0,
                found: partial_tree as u32,
            }
            .into());
        }
        let roots = shape.trees();
        let roots = rest.digests((roots.end - roots.start) as usize)?;
        let mut trees = Self {
            roots,
            ..Self::empty(shape)
        };
        for _ in 0..upper {
            let tree = u64::from_le_bytes(rest.array()?);
            let least = match trees.upper.last_key_value() {
                Some((before, _)) => before.saturating_add(1),
                None => shape.trees().start,
            };
            if tree < least || tree >= shape.trees().end {
                return Err(DecodeError::Offset {
                    field: "tree index",
                    expected: least as u32,
                    found: tree as u32,
                }
                .into());
            }
            let nodes = shape.subtrees_of(tree);
            let nodes = rest.digests((nodes.end - nodes.start) as usize)?;
            trees.upper.insert(tree, nodes);
        }
        if partial > 0 {
            trees.partial = Some((partial_tree, rest.digests(partial)?));
        }
        rest.end()?;
        Ok(trees)
    }

    /// Drops upper parts that do not lead to their root; the indices of those dropped are returned.
    pub(crate) fn drop_damaged(&mut self, material: &KeyMaterial) -> Vec<u64> {
        let (shape, roots) = (self.shape, &self.roots);
        let range = shape.trees();
        let mut damaged = Vec::new();
        self.upper.retain(|tree, nodes| {
            let root = roots[(*tree - range.start) as usize];
            let whole = upper_root(material, *tree, nodes.clone()) == root;
            if !whole {
                damaged.push(*tree);
            }
            whole
        });
        self.partial = self.partial.take().filter(|(tree, nodes)| {
            range.contains(tree) && nodes.len() < shape.subtrees_of(*tree).count()
        });
        damaged
    }

    /// Stores the upper part of a bottom tree; drops the one that is furthest away if there are too many.
    pub(crate) fn store_upper(&mut self, tree: u64, nodes: Vec<Digest>) {
        self.upper.insert(tree, nodes);
        if self.upper.len() > TREES_KEPT {
            let furthest = self
                .upper
                .keys()
                .copied()
                .max_by_key(|kept| kept.abs_diff(tree));
            if let Some(furthest) = furthest {
                self.upper.remove(&furthest);
            }
        }
    }
}

impl std::fmt::Debug for Trees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trees")
            .field("instance", &self.shape.instance)
            .field("epochs", &self.shape.epochs())
            .field("kept", &self.upper.keys())
            .finish_non_exhaustive()
    }
}

/// The layers above the kept nodes of a bottom tree, the nodes themselves first, its root last.
pub(crate) fn upper_layers(
    material: &KeyMaterial,
    tree: u64,
    nodes: Vec<Digest>,
) -> Vec<NodeRange> {
    let shape = material.shape;
    let levels = shape.subtree_height()..shape.instance.parameters().bottom_height();
    let kept = NodeRange::new(shape.subtrees_of(tree).start, nodes);
    climb(Backend::best(), material, levels, kept)
}

/// The root of a bottom tree from its kept nodes.
pub(crate) fn upper_root(material: &KeyMaterial, tree: u64, nodes: Vec<Digest>) -> Digest {
    layers::root(&upper_layers(material, tree, nodes))
}

/// The layers of the top tree, the roots of the bottom trees first.
pub(crate) fn top_layers(material: &KeyMaterial, roots: &[Digest]) -> Vec<NodeRange> {
    let parameters = material.instance().parameters();
    let levels = parameters.bottom_height()..parameters.log_lifetime;
    let roots = NodeRange::new(material.shape.trees().start, roots.to_vec());
    climb(Backend::best(), material, levels, roots)
}

/// The shape of a key whose epochs are counted in units of whole bottom trees, where they are whole, else of one.
fn shape_of(instance: Instance, start: u64, count: u64, unit: u64) -> Result<Shape, TreesError> {
    let shape = Shape::new(
        instance,
        start.saturating_mul(unit),
        count.saturating_mul(unit),
    );
    let shape = shape.ok().filter(|shape| shape.is_whole() == (unit > 1));
    shape.ok_or(TreesError::Epochs { start, count })
}

fn push_digests(bytes: &mut Vec<u8>, digests: &[Digest]) {
    let start = bytes.len();
    bytes.resize(start + digests.len() * DIGEST_BYTES, 0);
    field::write_canonical(digests.as_flattened(), &mut bytes[start..]);
}

/// Reads fields from bytes; running out of bytes is an error.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    fn instance(&mut self) -> Result<Instance, DecodeError> {
        let at = self.at;
        let [scheme, order, zeros @ ..] = self.array::<4>()?;
        let scheme = match scheme {
            0 => Scheme::Production,
            1 => Scheme::Test,
            value => {
                let position = at;
                return Err(DecodeError::Padding { position, value });
            }
        };
        let order = match order {
            0 => ConstantOrder::Interop,
            1 => ConstantOrder::Spec,
            value => {
                let position = at + 1;
                return Err(DecodeError::Padding { position, value });
            }
        };
        match zeros.iter().position(|byte| *byte != 0) {
            Some(i) => Err(DecodeError::Padding {
                position: at + 2 + i,
                value: zeros[i],
            }),
            None => Ok(Instance { scheme, order }),
        }
    }

    /// Nothing must be left.
    fn end(&self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            length if length == self.at => Ok(()),
            found => Err(DecodeError::Length {
                what: "trees",
                expected: self.at,
                found,
            }),
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or(DecodeError::Length {
            what: "input",
            expected: end,
            found: self.bytes.len(),
        })?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn digests(&mut self, count: usize) -> Result<Vec<Digest>, DecodeError> {
        let bytes = self.take(count.saturating_mul(DIGEST_BYTES))?;
        let mut digests = vec![[0; DIGEST_ELEMENTS]; count];
        field::read_canonical(bytes, digests.as_flattened_mut()).map_err(|(index, value)| {
            DecodeError::NonCanonical {
                field: "nodes",
                index,
                value,
            }
        })?;
        Ok(digests)
    }
}
