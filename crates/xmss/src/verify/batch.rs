//! Signatures that are verified together, decoded, field by field.

use std::sync::Arc;

use super::path_cache::{Path, PathCache, PathEnd};
use crate::{
    encoding::{self, PUBLIC_KEY_BYTES, PublicKey},
    field::{DIGEST_ELEMENTS, Digest, to_montgomery},
    hash::message_elements,
    parameters::{
        Instance, MESSAGE_ELEMENTS, PARAMETER_ELEMENTS, RANDOMNESS_ELEMENTS, TWEAK_ELEMENTS,
    },
    tweak,
};

/// A signature to verify: did the holder of `public_key` sign `message` at `epoch`?
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a> {
    /// The signer's key.
    pub public_key: &'a [u8; PUBLIC_KEY_BYTES],
    /// The epoch of the one-time key, which is the slot.
    pub epoch: u64,
    /// What is signed: a root.
    pub message: &'a [u8; 32],
    /// The signature, [`SIGNATURE_BYTES`](crate::SIGNATURE_BYTES) long; of any other length it is invalid.
    pub signature: &'a [u8],
}

/// Signatures whose chains are walked together: enough to fill the lanes at every length, small enough for the
/// second-level cache.
pub(super) const BATCH: usize = 64;

/// Decoded signatures, at first with values and then with Montgomery elements; `sources[i]` is the place of the
/// i-th among those asked for.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) height: usize,
    pub(super) dimension: usize,
    pub(super) sources: Vec<usize>,
    pub(super) epochs: Vec<u64>,
    pub(super) roots: Vec<Digest>,
    pub(super) parameters: Vec<[u32; PARAMETER_ELEMENTS]>,
    pub(super) messages: Vec<[u32; MESSAGE_ELEMENTS]>,
    pub(super) epoch_elements: Vec<[u32; TWEAK_ELEMENTS]>,
    pub(super) randomness: Vec<[u32; RANDOMNESS_ELEMENTS]>,
    /// Siblings of all signatures, one signature after the other.
    pub(super) paths: Vec<Digest>,
    /// Chain values, likewise.
    pub(super) chains: Vec<Digest>,
    /// Nodes from the leaf to the root, likewise, as far as they are computed.
    pub(super) nodes: Vec<Digest>,
    /// Outcomes of the signatures whose chains could be walked. A signature without one is invalid.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// The cached paths of the keys; empty when there is no cache.
    remembered: Vec<Option<Arc<Path>>>,
}

/// What came of hashing a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It leads to the key's root; nodes are computed up to this level.
    Valid(usize),
    /// It leads elsewhere.
    Invalid,
}

impl Batch {
    /// Decodes what can be decoded; the rest is invalid already.
    pub(super) fn load(
        &mut self,
        instance: Instance,
        verifications: &[Verification<'_>],
        memory: Option<&PathCache>,
    ) {
        let parameters = instance.parameters();
        let (height, dimension) = (parameters.log_lifetime as usize, parameters.dimension);
        (self.height, self.dimension) = (height, dimension);
        self.sources.clear();
        self.epochs.clear();
        self.roots.clear();
        self.parameters.clear();
        self.messages.clear();
        self.epoch_elements.clear();
        self.randomness.clear();
        self.remembered.clear();
        self.outcomes.clear();
        let count = verifications.len();
        debug_assert!(count <= BATCH);
        self.paths.resize(height * count, [0; DIGEST_ELEMENTS]);
        self.chains.resize(dimension * count, [0; DIGEST_ELEMENTS]);
        self.nodes
            .resize((height + 1) * count, [0; DIGEST_ELEMENTS]);
        for (source, verification) in verifications.iter().enumerate() {
            let place = self.sources.len();
            let mut randomness = [0; RANDOMNESS_ELEMENTS];
            let decoded = encoding::read(
                instance.scheme,
                verification.signature,
                &mut randomness,
                &mut self.paths[height * place..][..height],
                &mut self.chains[dimension * place..][..dimension],
            );
            let Ok(public_key) = PublicKey::from_bytes(verification.public_key) else {
                continue;
            };
            if decoded.is_err() || verification.epoch >= parameters.lifetime() {
                continue;
            }
            self.sources.push(source);
            self.epochs.push(verification.epoch);
            self.roots.push(public_key.root);
            self.parameters.push(public_key.parameter);
            self.messages.push(message_elements(verification.message));
            self.epoch_elements
                .push(tweak::epoch(verification.epoch).map(to_montgomery));
            self.randomness.push(randomness);
            self.outcomes.push(None);
            if let Some(memory) = memory {
                self.remembered.push(memory.get(&public_key));
            }
        }
    }

    /// How many are left to be hashed.
    pub(super) fn count(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn siblings(&self, place: usize) -> &[Digest] {
        &self.paths[self.height * place..][..self.height]
    }

    /// The node of a signature's path at a level, once it is computed.
    pub(super) fn node(&self, place: usize, level: usize) -> &Digest {
        &self.nodes[(self.height + 1) * place + level]
    }

    pub(super) fn set_node(&mut self, place: usize, level: usize, node: Digest) {
        self.nodes[(self.height + 1) * place + level] = node;
    }

    /// The end of a signature's path when nothing is cached: the root.
    pub(super) fn at_root(&self, place: usize) -> PathEnd {
        PathEnd {
            level: self.height,
            node: self.roots[place],
        }
    }

    /// Where a signature's way ends.
    pub(super) fn stop(&self, place: usize) -> PathEnd {
        let remembered = self.remembered.get(place).and_then(Option::as_ref);
        remembered
            .and_then(|path| path.meeting(self.epochs[place], self.siblings(place)))
            .unwrap_or_else(|| self.at_root(place))
    }

    /// Stores the results, and caches the paths of valid signatures. Returns how many paths ended early.
    pub(super) fn conclude(&mut self, valid: &mut [bool], memory: Option<&PathCache>) -> u64 {
        let mut shortened = 0;
        for place in 0..self.count() {
            let Some(Outcome::Valid(level)) = self.outcomes[place] else {
                continue;
            };
            valid[self.sources[place]] = true;
            shortened += u64::from(level < self.height);
            if let Some(memory) = memory {
                self.remember(place, level, memory);
            }
        }
        shortened
    }

    /// Caches the path of a valid signature whose nodes were computed up to `level`, and are cached above.
    fn remember(&mut self, place: usize, level: usize, memory: &PathCache) {
        let key = PublicKey {
            root: self.roots[place],
            parameter: self.parameters[place],
        };
        let recalled = self.remembered[place].take();
        let (epoch, height) = (self.epochs[place], self.height);
        let nodes = &self.nodes[(height + 1) * place..][..height];
        let siblings = self.siblings(place);
        match recalled {
            Some(path) if level < height => {
                let up_to_meeting = (epoch, &nodes[..=level], &siblings[..=level]);
                memory.insert_meeting(&key, path, up_to_meeting);
            }
            _ => {
                let (nodes, siblings) = (nodes.into(), siblings.into());
                memory.insert(
                    &key,
                    Path {
                        epoch,
                        nodes,
                        siblings,
                    },
                );
            }
        }
    }
}
