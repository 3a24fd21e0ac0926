//! Subtrees: the part of a bottom tree that is computed at once, some milliseconds of work.

use std::sync::Arc;

use rayon::prelude::*;

use super::material::KeyMaterial;
use super::trees::upper_layers;
use crate::field::Digest;
use crate::hash::ParentLayer;
use crate::lanes::Backend;
use crate::leaves::Leaves;

/// The nodes of the subtree over some epochs.
#[derive(Clone, PartialEq, Eq)]
pub struct Subtree {
    /// Index of the subtree's root within its layer.
    pub(super) index: u64,
    /// Leaves first, the root last.
    layers: Vec<Vec<Digest>>,
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
        let context = material.instance.context();
        let height = context.parameters.subtree_height();
        let count = 1usize << height;
        let first_epoch = index << height;
        let parameter = &material.parameter;
        let (derivation, prf_key) = (material.derivation, &material.prf_key);
        let leaves = backend.run(Leaves {
            context,
            derivation,
            prf_key,
            parameter,
            first_epoch,
            count,
        });
        let mut layers = vec![leaves];
        for level in 0..height {
            let parents = backend.run(ParentLayer {
                context,
                parameter,
                level: level + 1,
                first: index << (height - level - 1),
                children: &layers[layers.len() - 1],
            });
            layers.push(parents);
        }
        Self { index, layers }
    }

    pub(crate) fn root(&self) -> Digest {
        self.layers[self.layers.len() - 1][0]
    }

    /// The layers, leaves first.
    pub(crate) fn layers(&self) -> &[Vec<Digest>] {
        &self.layers
    }

    /// Siblings on the way from an epoch's leaf to the subtree's root.
    pub(super) fn path(&self, epoch: u64) -> impl Iterator<Item = Digest> {
        let height = self.layers.len() - 1;
        let leaf = epoch - (self.index << height);
        self.layers[..height]
            .iter()
            .enumerate()
            .map(move |(level, layer)| layer[(leaf >> level) as usize ^ 1])
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

/// The whole of a bottom tree, layer by layer from the leaves to the root, for export.
pub(crate) fn whole_tree(
    material: &KeyMaterial,
    tree: u64,
    threads: Threads,
    progress: &(dyn Fn(u64) + Sync),
) -> Vec<Vec<Digest>> {
    let parameters = material.instance.parameters();
    let nodes_per_tree = parameters.nodes_per_tree() as u64;
    let compute = |index| {
        let subtree = Subtree::compute(material, index);
        progress(parameters.epochs_per_subtree());
        subtree
    };
    let indices = tree * nodes_per_tree..(tree + 1) * nodes_per_tree;
    let subtrees: Vec<Subtree> = match threads {
        Threads::One => indices.map(compute).collect(),
        Threads::Pool => indices.into_par_iter().map(compute).collect(),
    };
    let mut layers: Vec<Vec<Digest>> = (0..parameters.subtree_height() as usize)
        .map(|level| {
            subtrees
                .iter()
                .flat_map(|subtree| subtree.layers()[level].iter().copied())
                .collect()
        })
        .collect();
    let nodes = subtrees.iter().map(Subtree::root).collect();
    layers.extend(upper_layers(material, tree, nodes));
    layers
}
