//! Signing keys: a key's material together with what is prepared of its trees.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::prelude::*;
use thiserror::Error;

use super::{
    layers::{self, NodeRange},
    material::KeyMaterial,
    subtree::{Progress, Subtree, SubtreeWork, Threads},
    trees::{TREES_KEPT, Trees, TreesError, top_layers, upper_layers, upper_root},
};
use crate::{
    encoding::{PublicKey, SIGNATURE_BYTES, Signature},
    field::Digest,
    lanes::Backend,
    sign::SignOnce,
};

/// Subtrees held at once: the current one, the next one, and one that a late duty may still need.
const SUBTREES_HELD: usize = 3;

/// A key that signs.
///
/// Signing needs the subtree of 2^8 epochs around the epoch, of 2^4 in keys of few epochs. [`SecretKey::work_for`] says
/// what is missing, as work that can be done on any thread; [`SecretKey::accept`] takes its result. Call them ahead of
/// time, for the next subtree too, so that no duty waits.
#[derive(Clone, Debug)]
pub struct SecretKey {
    material: Arc<KeyMaterial>,
    trees: Trees,
    /// The layers of the top tree.
    top: Vec<NodeRange>,
    public_key: PublicKey,
    prepared: Vec<Prepared>,
}

/// A subtree, with the rest of the way from its root to the root of the key, the same for all its epochs.
#[derive(Clone, Debug)]
struct Prepared {
    subtree: Subtree,
    rest_of_path: Vec<Digest>,
}

/// Why a key does not sign.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// The key has no one-time key for the epoch.
    #[error("the key is not active at epoch {epoch}: it is from {} to {}", active.start, active.end - 1)]
    NotActive {
        /// The epoch asked for.
        epoch: u64,
        /// The epochs that the key can sign.
        active: Range<u64>,
    },
    /// The subtree of the epoch must be prepared first, see [`SecretKey::work_for`].
    #[error("the key is not prepared for epoch {epoch}: its subtree must be computed first")]
    NotPrepared {
        /// The epoch asked for.
        epoch: u64,
    },
    /// No randomness gave a codeword; not to be expected in the age of the universe.
    #[error("no codeword for the message at epoch {epoch} in {tries} tries")]
    NoCodeword {
        /// The epoch asked for.
        epoch: u64,
        /// Number of tries.
        tries: u64,
    },
}

impl SecretKey {
    /// Computes the one-time keys of all active epochs and the trees over them: some 40 µs per epoch with AVX-512
    /// (see `docs/performance.md`). `progress` is called after every subtree, from any thread.
    #[must_use]
    pub fn build(
        material: KeyMaterial,
        threads: Threads,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Self {
        let shape = material.shape;
        let active = shape.epochs();
        let total = active.end - active.start;
        let done = AtomicU64::new(0);
        let node = |index| {
            let root = Subtree::compute(&material, index).root();
            let epochs = shape.leaves_of(index);
            let epochs = epochs.end - epochs.start;
            let done = done.fetch_add(epochs, Ordering::Relaxed) + epochs;
            progress(Progress { done, total });
            root
        };
        let mut trees = Trees::empty(shape);
        for tree in shape.trees() {
            let indices = shape.subtrees_of(tree);
            let nodes: Vec<Digest> = match threads {
                Threads::One => indices.map(node).collect(),
                Threads::Pool => indices.into_par_iter().map(node).collect(),
            };
            trees.roots.push(upper_root(&material, tree, nodes.clone()));
            if trees.upper.len() < TREES_KEPT {
                trees.upper.insert(tree, nodes);
            }
        }
        Self::assemble(material, trees)
    }

    /// Puts a key together with trees kept from before. The trees are checked by recomputing all that lies above
    /// what is kept: about 300 hashes per bottom tree. Upper parts found damaged are dropped, and their indices
    /// returned: [`SecretKey::work_for`] will have them rebuilt when they are needed.
    ///
    /// # Errors
    /// Returns an error when the trees are of another key, or their roots do not lead to the public key.
    pub fn load(
        material: KeyMaterial,
        mut trees: Trees,
        public_key: &PublicKey,
    ) -> Result<(Self, Vec<u64>), TreesError> {
        if trees.shape != material.shape {
            return Err(TreesError::OtherKey {
                expected_scheme: material.instance(),
                expected: material.active(),
                found_scheme: trees.shape.instance,
                found: trees.shape.epochs(),
            });
        }
        let damaged = trees.drop_damaged(&material);
        let key = Self::assemble(material, trees);
        if key.public_key != *public_key {
            return Err(TreesError::Root {
                expected: format!("{public_key:?}"),
                found: format!("{:?}", key.public_key),
            });
        }
        Ok((key, damaged))
    }

    /// Computes the whole key again, and compares every node that is stored of it: takes as long as
    /// [`SecretKey::build`].
    ///
    /// # Errors
    /// Returns an error that names the first epochs whose nodes do not follow from the key's secret.
    pub fn check(
        &self,
        threads: Threads,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), TreesError> {
        let shape = self.material.shape;
        let rebuilt = Self::build((*self.material).clone(), threads, progress);
        for (tree, nodes) in &self.trees.upper {
            let right = rebuilt.trees.upper.get(tree).unwrap_or(nodes);
            let mut pairs = shape.subtrees_of(*tree).zip(nodes.iter().zip(right));
            if let Some((index, _)) = pairs.find(|(_, (kept, right))| kept != right) {
                let epochs = shape.leaves_of(index);
                return Err(TreesError::Subtree { epochs });
            }
        }
        let roots = self.trees.roots.iter().zip(&rebuilt.trees.roots);
        let mut roots = shape.trees().zip(roots);
        match roots.find(|(_, (kept, right))| kept != right) {
            Some((tree, _)) => Err(TreesError::Tree { tree }),
            None => Ok(()),
        }
    }

    pub(crate) fn assemble(material: KeyMaterial, trees: Trees) -> Self {
        let top = top_layers(&material, &trees.roots);
        let public_key = PublicKey {
            root: layers::root(&top),
            parameter: material.parameter,
        };
        Self {
            material: Arc::new(material),
            trees,
            top,
            public_key,
            prepared: Vec::new(),
        }
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// What the key is made of.
    #[must_use]
    pub fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// What is kept of the key's trees, to be written beside the key.
    #[must_use]
    pub fn trees(&self) -> &Trees {
        &self.trees
    }

    /// The layers of the top tree, the roots of the bottom trees first.
    pub(crate) fn top(&self) -> &[NodeRange] {
        &self.top
    }

    /// Epochs that the key can sign.
    #[must_use]
    pub fn active(&self) -> Range<u64> {
        self.material.active()
    }

    /// Epochs that are prepared at once, as one piece of work.
    #[must_use]
    pub fn epochs_per_subtree(&self) -> u64 {
        self.material.shape.epochs_per_subtree()
    }

    /// Epochs whose bottom trees are stored, as ranges in order: preparing one of them takes milliseconds, while any
    /// other needs a whole bottom tree to be computed first.
    #[must_use]
    pub fn stored_tree_epochs(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for tree in self.trees.upper.keys() {
            let epochs = self.material.shape.epochs_of(*tree);
            match ranges.last_mut() {
                Some(last) if last.end == epochs.start => last.end = epochs.end,
                _ => ranges.push(epochs),
            }
        }
        ranges
    }

    /// Can the epoch be signed right away?
    #[must_use]
    pub fn is_prepared(&self, epoch: u64) -> bool {
        self.prepared_for(epoch).is_some()
    }

    fn prepared_for(&self, epoch: u64) -> Option<&Prepared> {
        let index = epoch >> self.material.shape.subtree_height();
        self.prepared
            .iter()
            .find(|prepared| prepared.subtree.index == index)
    }

    /// The next piece of work before `epoch` can be signed; nothing when it can be, or never will be.
    #[must_use]
    pub fn work_for(&self, epoch: u64) -> Option<SubtreeWork> {
        if self.is_prepared(epoch) || !self.active().contains(&epoch) {
            return None;
        }
        let shape = self.material.shape;
        let index = epoch >> shape.subtree_height();
        let tree = shape.tree_of(index);
        let index = if self.trees.upper.contains_key(&tree) {
            index
        } else {
            let done = match &self.trees.partial {
                Some((partial, nodes)) if *partial == tree => nodes.len(),
                _ => 0,
            };
            shape.subtrees_of(tree).start + done as u64
        };
        Some(SubtreeWork {
            material: Arc::clone(&self.material),
            index,
        })
    }

    /// Takes the result of [`SecretKey::work_for`]. A subtree that nobody asked for is ignored.
    ///
    /// # Errors
    /// Returns an error when the subtree does not fit the tree: then the key's secret part is damaged.
    pub fn accept(&mut self, subtree: Subtree) -> Result<(), TreesError> {
        let shape = self.material.shape;
        let index = subtree.index;
        if !shape.subtrees().contains(&index) {
            return Ok(());
        }
        let tree = shape.tree_of(index);
        let range = shape.subtrees_of(tree);
        let place = (index - range.start) as usize;
        if let Some(nodes) = self.trees.upper.get(&tree) {
            if nodes[place] != subtree.root() {
                let epochs = shape.leaves_of(index);
                return Err(TreesError::Subtree { epochs });
            }
            let within_tree = upper_layers(&self.material, tree, nodes.clone());
            let rest_of_path = layers::siblings(&within_tree, index)
                .chain(layers::siblings(&self.top, tree))
                .collect();
            self.prepared.retain(|held| held.subtree.index != index);
            if self.prepared.len() == SUBTREES_HELD {
                self.prepared.remove(0);
            }
            self.prepared.push(Prepared {
                subtree,
                rest_of_path,
            });
            return Ok(());
        }
        let (_, mut nodes) = match self.trees.partial.take() {
            Some(partial) if partial.0 == tree => partial,
            _ => (tree, Vec::new()),
        };
        if nodes.len() == place {
            nodes.push(subtree.root());
        }
        if nodes.len() < range.count() {
            self.trees.partial = Some((tree, nodes));
            return Ok(());
        }
        if upper_root(&self.material, tree, nodes.clone()) != self.trees.root_of(tree) {
            return Err(TreesError::Tree { tree });
        }
        self.trees.store_upper(tree, nodes);
        Ok(())
    }

    /// Does all the work that `epoch` needs, on the calling thread: milliseconds where the bottom tree is kept,
    /// seconds where it is not.
    ///
    /// # Errors
    /// As [`SecretKey::accept`].
    pub fn prepare(&mut self, epoch: u64) -> Result<(), TreesError> {
        while let Some(work) = self.work_for(epoch) {
            self.accept(work.run())?;
        }
        Ok(())
    }

    /// Signs a message. **Two different messages signed at one epoch reveal the key**: the caller must keep a record of
    /// what was signed. The same message gives the same signature again.
    ///
    /// # Errors
    /// Returns an error when the key is not active, or not prepared, for the epoch.
    pub fn sign(
        &self,
        epoch: u64,
        message: &[u8; 32],
    ) -> Result<Box<[u8; SIGNATURE_BYTES]>, SignError> {
        self.sign_on(Backend::best(), epoch, message)
    }

    /// [`SecretKey::sign`] on a chosen back-end, for tests and comparisons.
    ///
    /// # Errors
    /// As [`SecretKey::sign`].
    #[doc(hidden)]
    pub fn sign_on(
        &self,
        backend: Backend,
        epoch: u64,
        message: &[u8; 32],
    ) -> Result<Box<[u8; SIGNATURE_BYTES]>, SignError> {
        let active = self.active();
        if !active.contains(&epoch) {
            return Err(SignError::NotActive { epoch, active });
        }
        let Some(Prepared {
            subtree,
            rest_of_path,
        }) = self.prepared_for(epoch)
        else {
            return Err(SignError::NotPrepared { epoch });
        };
        let context = self.material.instance().context();
        let (randomness, chains) = backend
            .run(SignOnce {
                context,
                derivation: self.material.derivation,
                prf_key: &self.material.prf_key,
                parameter: &self.material.parameter,
                epoch,
                message,
            })
            .ok_or(SignError::NoCodeword {
                epoch,
                tries: context.parameters.max_tries,
            })?;
        let path = subtree
            .path(epoch)
            .chain(rest_of_path.iter().copied())
            .collect();
        Ok(Signature {
            randomness,
            path,
            chains,
        }
        .to_bytes())
    }
}
