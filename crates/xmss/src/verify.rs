//! Verification, of one signature or of many at once.
//!
//! Every signature is one job on its own up to its codeword; then the chains of all signatures of a batch are
//! walked together, and leaves and Merkle paths are computed with one signature per lane.

use std::ops::Range;

use crate::chains::{Walk, walk_all};
use crate::context::Context;
use crate::encoding::{self, PUBLIC_KEY_BYTES, PublicKey};
use crate::field::{DIGEST_ELEMENTS, Digest, to_montgomery};
use crate::hash::{self, LeafSponge, message_elements, node, tweaks};
use crate::hypercube::HASH_ELEMENTS;
use crate::lanes::{Backend, Kernel, Lanes, all_to_montgomery, gather, scatter, store_rows};
use crate::parameters::{
    Instance, MESSAGE_ELEMENTS, PARAMETER_ELEMENTS, RANDOMNESS_ELEMENTS, Scheme, TWEAK_ELEMENTS,
};
use crate::tweak;

/// What there is to verify: did the holder of `public_key` sign `message` at `epoch`?
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

impl Scheme {
    /// Is the signature valid? Bytes that do not decode are an invalid signature.
    #[must_use]
    pub fn verify(self, verification: &Verification<'_>) -> bool {
        Instance::from(self).verify(verification)
    }

    /// Verifies many signatures on the calling thread; the answers are in order.
    #[must_use]
    pub fn verify_many(self, verifications: &[Verification<'_>]) -> Vec<bool> {
        Instance::from(self).verify_many(verifications)
    }

    /// [`Scheme::verify_many`] on the threads of the current rayon pool.
    #[must_use]
    pub fn verify_many_parallel(self, verifications: &[Verification<'_>]) -> Vec<bool> {
        Instance::from(self).verify_many_parallel(verifications)
    }
}

/// Signatures whose chains are walked together: enough to fill the lanes at every length, small enough for the
/// second-level cache.
const BATCH: usize = 64;

impl Instance {
    /// See [`Scheme::verify`].
    #[must_use]
    pub fn verify(self, verification: &Verification<'_>) -> bool {
        self.verify_many(std::slice::from_ref(verification))
            .first()
            .is_some_and(|valid| *valid)
    }

    /// See [`Scheme::verify_many`].
    #[must_use]
    pub fn verify_many(self, verifications: &[Verification<'_>]) -> Vec<bool> {
        self.verify_many_on(Backend::best(), verifications)
    }

    /// See [`Scheme::verify_many_parallel`].
    #[must_use]
    pub fn verify_many_parallel(self, verifications: &[Verification<'_>]) -> Vec<bool> {
        use rayon::prelude::*;
        // Eights fill the lanes well enough, and the threads better than larger shares.
        let share = verifications
            .len()
            .div_ceil(rayon::current_num_threads())
            .next_multiple_of(8);
        verifications
            .par_chunks(share.max(1))
            .flat_map_iter(|chunk| self.verify_many(chunk))
            .collect()
    }

    /// [`Instance::verify_many`] on a chosen back-end, for tests and comparisons.
    #[doc(hidden)]
    #[must_use]
    pub fn verify_many_on(self, backend: Backend, verifications: &[Verification<'_>]) -> Vec<bool> {
        let mut valid = Vec::with_capacity(verifications.len());
        let mut batch = Batch::default();
        for chunk in verifications.chunks(BATCH) {
            let start = valid.len();
            valid.resize(start + chunk.len(), false);
            batch.load(self, chunk);
            backend.run(VerifyBatch {
                context: self.context(),
                batch: &mut batch,
                valid: &mut valid[start..],
            });
        }
        valid
    }
}

/// Decoded signatures, field by field, at first with values and then with Montgomery elements; `sources[i]` is the
/// place of the i-th among those asked for.
#[derive(Default)]
struct Batch {
    sources: Vec<usize>,
    epochs: Vec<u64>,
    roots: Vec<Digest>,
    parameters: Vec<[u32; PARAMETER_ELEMENTS]>,
    messages: Vec<[u32; MESSAGE_ELEMENTS]>,
    epoch_elements: Vec<[u32; TWEAK_ELEMENTS]>,
    randomness: Vec<[u32; RANDOMNESS_ELEMENTS]>,
    /// Siblings of all signatures, one signature after the other.
    paths: Vec<Digest>,
    /// Chain values, likewise.
    chains: Vec<Digest>,
}

impl Batch {
    /// Decodes what can be decoded; the rest is invalid already.
    fn load(&mut self, instance: Instance, verifications: &[Verification<'_>]) {
        let parameters = instance.parameters();
        let (height, dimension) = (parameters.log_lifetime as usize, parameters.dimension);
        self.sources.clear();
        self.epochs.clear();
        self.roots.clear();
        self.parameters.clear();
        self.messages.clear();
        self.epoch_elements.clear();
        self.randomness.clear();
        self.paths
            .resize(height * verifications.len(), [0; DIGEST_ELEMENTS]);
        self.chains
            .resize(dimension * verifications.len(), [0; DIGEST_ELEMENTS]);
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
        }
    }
}

struct VerifyBatch<'a> {
    context: &'a Context,
    batch: &'a mut Batch,
    valid: &'a mut [bool],
}

impl Kernel for VerifyBatch<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self {
            context,
            batch,
            valid,
        } = self;
        let count = batch.sources.len();
        let dimension = context.parameters.dimension;
        let height = context.parameters.log_lifetime as usize;
        all_to_montgomery::<L>(batch.randomness.as_flattened_mut());
        all_to_montgomery::<L>(batch.paths[..height * count].as_flattened_mut());
        all_to_montgomery::<L>(batch.chains[..dimension * count].as_flattened_mut());
        let mut walks = Vec::with_capacity(count * dimension);
        let mut encoded = [false; BATCH];
        for (lanes, group) in groups::<L>(count) {
            let (walks, encoded) = (&mut walks, &mut encoded);
            match lanes {
                Used::OneOrTwo => {
                    for one in group {
                        codewords::<L::Single>(context, batch, one..one + 1, walks, encoded);
                    }
                }
                Used::Few => codewords::<L::Narrow>(context, batch, group, walks, encoded),
                Used::Many => codewords::<L>(context, batch, group, walks, encoded),
            }
        }
        walk_all::<L>(context, &batch.parameters, &walks, &mut batch.chains);
        for (lanes, group) in groups::<L>(count) {
            match lanes {
                Used::OneOrTwo => {
                    for one in group {
                        roots::<L::Single>(context, batch, one..one + 1, &encoded, valid);
                    }
                }
                Used::Few => roots::<L::Narrow>(context, batch, group, &encoded, valid),
                Used::Many => roots::<L>(context, batch, group, &encoded, valid),
            }
        }
    }
}

/// How many lanes a group of signatures fills. A vector takes as long however few are in use: few are done sooner
/// in a narrower one, and one or two one by one.
#[derive(Clone, Copy)]
enum Used {
    OneOrTwo,
    Few,
    Many,
}

/// Cuts `count` signatures into groups with a lane for each.
fn groups<L: Lanes>(count: usize) -> impl Iterator<Item = (Used, Range<usize>)> {
    (0..count).step_by(L::WIDTH).map(move |start| {
        let end = count.min(start + L::WIDTH);
        let used = match end - start {
            1 | 2 => Used::OneOrTwo,
            used if used <= <L::Narrow as Lanes>::WIDTH => Used::Few,
            _ => Used::Many,
        };
        (used, start..end)
    })
}

/// Hashes the messages, maps the hashes to codewords, and lists how far each chain is from its end.
#[inline(always)]
fn codewords<L: Lanes>(
    context: &Context,
    batch: &Batch,
    group: Range<usize>,
    walks: &mut Vec<Walk>,
    encoded: &mut [bool; BATCH],
) {
    let (dimension, base) = (context.parameters.dimension, context.parameters.base);
    let of_lane = |lane: usize| (group.start + lane).min(group.end - 1);
    let mut output = hash::message::<L>(
        context.constants,
        &gather(|lane| &batch.randomness[of_lane(lane)]),
        &gather(|lane| &batch.parameters[of_lane(lane)]),
        gather(|lane| &batch.epoch_elements[of_lane(lane)]),
        &gather(|lane| &batch.messages[of_lane(lane)]),
    );
    for element in &mut output {
        *element = element.to_canonical();
    }
    let rows = store_rows::<L, HASH_ELEMENTS>(&output);
    for (lane, place) in group.enumerate() {
        let Some(codeword) = context.hypercube.codeword(&rows.map(|row| row.0[lane])) else {
            continue;
        };
        encoded[place] = true;
        for (chain, digit) in codeword.into_iter().enumerate() {
            walks.push(Walk {
                epoch: batch.epochs[place],
                chain: chain as u8,
                from: digit,
                steps: base as u8 - 1 - digit,
                parameter: place as u16,
                value: (place * dimension + chain) as u32,
            });
        }
    }
}

/// Hashes the chain ends to leaves, the leaves up to roots, and compares.
#[inline(always)]
fn roots<L: Lanes>(
    context: &Context,
    batch: &Batch,
    group: Range<usize>,
    encoded: &[bool; BATCH],
    valid: &mut [bool],
) {
    let (dimension, height) = (
        context.parameters.dimension,
        context.parameters.log_lifetime as usize,
    );
    let of_lane = |lane: usize| (group.start + lane).min(group.end - 1);
    let parameter = gather::<L, PARAMETER_ELEMENTS>(|lane| &batch.parameters[of_lane(lane)]);
    let tweak = tweaks::<L>(|lane| tweak::tree(0, batch.epochs[of_lane(lane)]));
    let mut sponge = LeafSponge::new(context, &parameter, tweak);
    for chain in 0..dimension {
        sponge.absorb(&gather(|lane| {
            &batch.chains[of_lane(lane) * dimension + chain]
        }));
    }
    let mut current = sponge.finish();
    for level in 0..height {
        let sibling = gather::<L, 8>(|lane| &batch.paths[of_lane(lane) * height + level]);
        let mut is_right = crate::lanes::Row::ZERO;
        for lane in 0..L::WIDTH {
            is_right.0[lane] = 0u32.wrapping_sub((batch.epochs[of_lane(lane)] >> level) as u32 & 1);
        }
        let is_right = L::load(&is_right.0);
        let (mut left, mut right) = (current, sibling);
        for i in 0..DIGEST_ELEMENTS {
            left[i] = current[i].select(is_right, sibling[i]);
            right[i] = sibling[i].select(is_right, current[i]);
        }
        let tweak = tweaks::<L>(|lane| {
            tweak::tree(level as u32 + 1, batch.epochs[of_lane(lane)] >> (level + 1))
        });
        current = node(context.constants, &parameter, tweak, &left, &right);
    }
    scatter(&current, |lane, root| {
        let place = group.start + lane;
        if place < group.end {
            valid[batch.sources[place]] = encoded[place] && root == batch.roots[place];
        }
    });
}
