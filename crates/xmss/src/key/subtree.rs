//! Subtrees: the part of a bottom tree that is computed at once, some milliseconds of work.

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    layers::{self, NodeRange, climb},
    material::KeyMaterial,
    trees::upper_layers,
};
use crate::{field::Digest, lanes::Backend, leaves::Leaves};

/// The nodes of the subtree over some epochs.
#[derive(Clone, PartialEq, Eq)]
pub struct Subtree {
    /// Index of the subtree's root within its layer.
    pub(super) index: u64,
    /// Leaves first, the root last.
    layers: Vec<NodeRange>,
}

/// A piece of work that a key needs done before it can sign: computing one subtree, some milliseconds.
#[derive(Clone, Debug)]
pub struct SubtreeWork {
    pub(super) material: Arc<KeyMaterial>,
    pub(super) index: u64,
}

/// How far building a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Epochs whose one-time keys are computed.
    pub done: u64,
    /// All epochs of the key.
    pub total: u64,
}

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On the calling thread alone.
    One,
    /// On the current rayon pool.
    Pool,
}

impl Subtree {
    /// Computes the subtree with the given index from the secret starts of its chains.
    pub(crate) fn compute(material: &KeyMaterial, index: u64) -> Self {
        Self::compute_on(Backend::best(), material, index)
    }

    pub(crate) fn compute_on(backend: Backend, material: &KeyMaterial, index: u64) -> Self {
        let epochs = material.shape.leaves_of(index);
        let leaves = backend.run(Leaves {
            context: material.instance().context(),
            derivation: material.derivation,
            prf_key: &material.prf_key,
            parameter: &material.parameter,
            first_epoch: epochs.start,
            count: (epochs.end - epochs.start) as usize,
        });
        let leaves = NodeRange::new(epochs.start, leaves);
        let levels = 0..material.shape.subtree_height();
        Self {
            index,
            layers: climb(backend, material, levels, leaves),
        }
    }

    pub(crate) fn root(&self) -> Digest {
        layers::root(&self.layers)
    }

    /// Siblings on the way from an epoch's leaf to the subtree's root.
    pub(super) fn path(&self, epoch: u64) -> impl Iterator<Item = Digest> {
        layers::siblings(&self.layers, epoch)
    }
}

impl std::fmt::Debug for Subtree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subtree")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl SubtreeWork {
    /// Does the work, on the calling thread.
    #[must_use]
    pub fn run(self) -> Subtree {
        Subtree::compute(&self.material, self.index)
    }
}

impl KeyMaterial {
    /// Computes one subtree on a chosen back-end, for comparisons.
    #[doc(hidden)]
    #[must_use]
    pub fn subtree_on(&self, backend: Backend, index: u64) -> Subtree {
        Subtree::compute_on(backend, self, index)
    }
}

/// A bottom tree, layer by layer from the leaves to the root, for export.
pub(crate) fn whole_tree(
    material: &KeyMaterial,
    tree: u64,
    threads: Threads,
    progress: &(dyn Fn(u64) + Sync),
) -> Vec<NodeRange> {
    let shape = material.shape;
    let compute = |index| {
        let subtree = Subtree::compute(material, index);
        let epochs = shape.leaves_of(index);
        progress(epochs.end - epochs.start);
        subtree
    };
    let indices = shape.subtrees_of(tree);
    let subtrees: Vec<Subtree> = match threads {
        Threads::One => indices.map(compute).collect(),
        Threads::Pool => indices.into_par_iter().map(compute).collect(),
    };
    let mut layers: Vec<NodeRange> = (0..shape.subtree_height() as usize)
        .map(|level| {
            let parts = || subtrees.iter().map(|subtree| &subtree.layers[level]);
            let start = parts().next().map_or(0, |part| part.start);
            NodeRange::new(
                start,
                parts().flat_map(|part| &part.nodes).copied().collect(),
            )
        })
        .collect();
    let nodes = subtrees.iter().map(Subtree::root).collect();
    layers.extend(upper_layers(material, tree, nodes));
    layers
}
