//! What is kept of a key's trees, in memory and in a file beside the key: enough to sign at once, small enough
//! for many keys.

use std::collections::BTreeMap;
use std::ops::Range;

use thiserror::Error;

use super::material::KeyMaterial;
use crate::Scheme;
use crate::encoding::DecodeError;
use crate::field::{self, DIGEST_ELEMENTS, Digest};
use crate::hash::ParentLayer;
use crate::lanes::Backend;
use crate::parameters::Instance;
use crate::poseidon2::ConstantOrder;

/// First bytes of an encoding.
const MAGIC: [u8; 8] = *b"QXTREES1";
const HEADER_BYTES: usize = 40;
const DIGEST_BYTES: usize = 4 * DIGEST_ELEMENTS;

/// A key keeps the upper parts of at most this many bottom trees: 64 of 8 KiB each.
pub(crate) const TREES_KEPT: usize = 64;

/// The kept nodes of a key's trees. There is nothing secret in them, but they are of no use without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Trees {
    pub(crate) instance: Instance,
    /// Index of the first bottom tree of the key.
    pub(crate) first: u64,
    /// Roots of all bottom trees of the key.
    pub(crate) roots: Vec<Digest>,
    /// The lowest kept layer of some of the bottom trees.
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
    /// The bytes are cut off or corrupt.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The trees are those of another scheme or active range.
    #[error(
        "trees of {found_scheme:?} from tree {found:?}, but the key is of {expected_scheme:?} with trees {expected:?}"
    )]
    OtherKey {
        /// The key's scheme.
        expected_scheme: Instance,
        /// The key's trees.
        expected: Range<u64>,
        /// The scheme of the trees.
        found_scheme: Instance,
        /// The trees found.
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
    /// Indices of the bottom trees of the key.
    pub(crate) fn range(&self) -> Range<u64> {
        self.first..self.first + self.roots.len() as u64
    }

    /// Encodes the trees: header, roots, upper parts, the part being built; elements canonical.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.roots.len() * DIGEST_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(match self.instance.scheme {
            Scheme::Production => 0,
            Scheme::Test => 1,
        });
        bytes.push(match self.instance.order {
            ConstantOrder::Interop => 0,
            ConstantOrder::Spec => 1,
        });
        bytes.extend_from_slice(&[0; 2]);
        let (partial_tree, partial) = match &self.partial {
            Some((tree, nodes)) => (*tree, nodes.as_slice()),
            None => (0, [].as_slice()),
        };
        bytes.extend_from_slice(&(self.roots.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
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
        if !bytes.starts_with(&MAGIC) {
            return Err(TreesError::Magic {
                found: bytes.iter().take(MAGIC.len()).copied().collect(),
            });
        }
        let mut rest = Reader {
            bytes,
            at: MAGIC.len(),
        };
        let [scheme, order, zeros @ ..] = rest.array::<4>()?;
        let scheme = match scheme {
            0 => Scheme::Production,
            1 => Scheme::Test,
            value => return Err(DecodeError::Padding { position: 8, value }.into()),
        };
        let order = match order {
            0 => ConstantOrder::Interop,
            1 => ConstantOrder::Spec,
            value => return Err(DecodeError::Padding { position: 9, value }.into()),
        };
        if let Some(i) = zeros.iter().position(|byte| *byte != 0) {
            return Err(DecodeError::Padding {
                position: 10 + i,
                value: zeros[i],
            }
            .into());
        }
        let instance = Instance { scheme, order };
        let nodes_per_tree = instance.parameters().nodes_per_tree();
        let roots = u32::from_le_bytes(rest.array()?) as usize;
        let first = u64::from_le_bytes(rest.array()?);
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
        // The counts decide the length, so no count can make us reserve more than there is.
        let expected = DIGEST_BYTES
            .saturating_mul(roots.saturating_add(partial))
            .saturating_add(upper.saturating_mul(8 + DIGEST_BYTES * nodes_per_tree))
            .saturating_add(HEADER_BYTES);
        if expected != bytes.len() {
            return Err(DecodeError::Length {
                what: "trees",
                expected,
                found: bytes.len(),
            }
            .into());
        }
        let roots = rest.digests(roots)?;
        let mut upper_parts: BTreeMap<u64, Vec<Digest>> = BTreeMap::new();
        for _ in 0..upper {
            let tree = u64::from_le_bytes(rest.array()?);
            if let Some((before, _)) = upper_parts.last_key_value().filter(|last| *last.0 >= tree) {
                let (expected, found) = ((*before as u32).wrapping_add(1), tree as u32);
                return Err(DecodeError::Offset {
                    field: "tree index",
                    expected,
                    found,
                }
                .into());
            }
            upper_parts.insert(tree, rest.digests(nodes_per_tree)?);
        }
        let partial = if partial == 0 {
            None
        } else {
            Some((partial_tree, rest.digests(partial)?))
        };
        Ok(Self {
            instance,
            first,
            roots,
            upper: upper_parts,
            partial,
        })
    }

    /// Drops upper parts that do not lead to their root; the indices of those dropped are returned.
    pub(crate) fn drop_damaged(&mut self, material: &KeyMaterial) -> Vec<u64> {
        let (first, range) = (self.first, self.range());
        let roots = &self.roots;
        let mut damaged = Vec::new();
        self.upper.retain(|tree, nodes| {
            let whole = range.contains(tree)
                && upper_root(material, *tree, nodes.clone()) == roots[(*tree - first) as usize];
            if !whole {
                damaged.push(*tree);
            }
            whole
        });
        let nodes_per_tree = self.instance.parameters().nodes_per_tree();
        if self
            .partial
            .as_ref()
            .is_some_and(|(tree, nodes)| !range.contains(tree) || nodes.len() >= nodes_per_tree)
        {
            self.partial = None;
        }
        damaged
    }

    /// Keeps the upper part of a bottom tree, at the cost of one that is further away if there are too many.
    pub(crate) fn keep(&mut self, tree: u64, nodes: Vec<Digest>) {
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
            .field("instance", &self.instance)
            .field("range", &self.range())
            .field("kept", &self.upper.keys())
            .finish_non_exhaustive()
    }
}

/// The layers above the kept nodes of a bottom tree, the nodes themselves first, its root last.
pub(crate) fn upper_layers(
    material: &KeyMaterial,
    tree: u64,
    nodes: Vec<Digest>,
) -> Vec<Vec<Digest>> {
    let context = material.instance.context();
    let parameters = context.parameters;
    let mut layers = vec![nodes];
    for level in parameters.subtree_height()..parameters.bottom_height() {
        let parents = Backend::best().run(ParentLayer {
            context,
            parameter: &material.parameter,
            level: level + 1,
            first: tree << (parameters.bottom_height() - level - 1),
            children: &layers[layers.len() - 1],
        });
        layers.push(parents);
    }
    layers
}

/// The root of a bottom tree from its kept nodes.
pub(crate) fn upper_root(material: &KeyMaterial, tree: u64, nodes: Vec<Digest>) -> Digest {
    let layers = upper_layers(material, tree, nodes);
    layers[layers.len() - 1][0]
}

fn push_digests(bytes: &mut Vec<u8>, digests: &[Digest]) {
    let start = bytes.len();
    bytes.resize(start + digests.len() * DIGEST_BYTES, 0);
    field::write_canonical(digests.as_flattened(), &mut bytes[start..]);
}

/// Takes fields off bytes; running out of them is an error.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
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
