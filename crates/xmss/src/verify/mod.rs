//! Verification, of one signature or of many at once.
//!
//! Every signature is one job on its own up to its codeword; then the chains of all signatures of a batch are
//! walked together, and leaves and Merkle paths are computed with one signature per lane.

mod batch;
mod kernel;
mod path_cache;

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

pub use self::batch::Verification;
use self::{
    batch::{BATCH, Batch},
    kernel::VerifyBatch,
    path_cache::PathCache,
};
use crate::{
    lanes::Backend,
    parameters::{Instance, Scheme},
};

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
        in_shares(verifications, |share| self.verify_many(share))
    }

    /// [`Instance::verify_many`] on a chosen back-end, for tests and comparisons.
    #[doc(hidden)]
    #[must_use]
    pub fn verify_many_on(self, backend: Backend, verifications: &[Verification<'_>]) -> Vec<bool> {
        verify(self, backend, verifications, None).0
    }
}

/// A verifier that remembers each key's last valid path: 2 KiB a key. The results are those of [`Scheme::verify`],
/// whatever it remembers; for validators that sign in consecutive epochs it is faster, with one node hash instead of
/// 32.
///
/// Threads share one without waiting for each other. Only valid paths are cached, so a key gets a place only by its own
/// signature.
#[derive(Debug)]
pub struct Verifier {
    instance: Instance,
    memory: PathCache,
    shortened: AtomicU64,
}

impl Verifier {
    /// A verifier for the signatures of a scheme that remembers the paths of at most `most_keys` keys, those that
    /// come first.
    #[must_use]
    pub fn new(instance: impl Into<Instance>, most_keys: usize) -> Self {
        Self {
            instance: instance.into(),
            memory: PathCache::new(most_keys),
            shortened: AtomicU64::new(0),
        }
    }

    /// See [`Scheme::verify`].
    #[must_use]
    pub fn verify(&self, verification: &Verification<'_>) -> bool {
        self.verify_many(std::slice::from_ref(verification))
            .first()
            .is_some_and(|valid| *valid)
    }

    /// See [`Scheme::verify_many`].
    #[must_use]
    pub fn verify_many(&self, verifications: &[Verification<'_>]) -> Vec<bool> {
        self.verify_many_on(Backend::best(), verifications)
    }

    /// See [`Scheme::verify_many_parallel`].
    #[must_use]
    pub fn verify_many_parallel(&self, verifications: &[Verification<'_>]) -> Vec<bool> {
        in_shares(verifications, |share| self.verify_many(share))
    }

    /// [`Verifier::verify_many`] on a chosen back-end, for tests and comparisons.
    #[doc(hidden)]
    #[must_use]
    pub fn verify_many_on(
        &self,
        backend: Backend,
        verifications: &[Verification<'_>],
    ) -> Vec<bool> {
        let memory = Some(&self.memory);
        let (valid, shortened) = verify(self.instance, backend, verifications, memory);
        self.shortened.fetch_add(shortened, Ordering::Relaxed);
        valid
    }

    /// How many of the valid signatures so far have led to a remembered path.
    #[must_use]
    pub fn shortened(&self) -> u64 {
        self.shortened.load(Ordering::Relaxed)
    }
}

/// The verdicts, and how many of the valid signatures have led to a remembered path.
fn verify(
    instance: Instance,
    backend: Backend,
    verifications: &[Verification<'_>],
    memory: Option<&PathCache>,
) -> (Vec<bool>, u64) {
    let mut valid = vec![false; verifications.len()];
    let mut shortened = 0;
    let mut batch = Batch::default();
    for (chunk, valid) in verifications.chunks(BATCH).zip(valid.chunks_mut(BATCH)) {
        batch.load(instance, chunk, memory);
        backend.run(VerifyBatch {
            context: instance.context(),
            batch: &mut batch,
        });
        shortened += batch.conclude(valid, memory);
    }
    (valid, shortened)
}

/// Shares the work among the threads of the current rayon pool.
fn in_shares(
    verifications: &[Verification<'_>],
    verify: impl Fn(&[Verification<'_>]) -> Vec<bool> + Send + Sync,
) -> Vec<bool> {
    // Eights fill the lanes well enough, and the threads better than larger shares.
    let share = verifications
        .len()
        .div_ceil(rayon::current_num_threads())
        .next_multiple_of(8);
    verifications
        .par_chunks(share.max(1))
        .flat_map_iter(verify)
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::{path_cache::Path, *};
    use crate::{KeyMaterial, PublicKey, SecretKey, Signature, Threads};

    /// Cached paths have been computed, so they are right; if one was not, hashing would still decide.
    #[test]
    fn a_wrong_cached_path_changes_no_result() {
        let instance = Instance::from(Scheme::Test);
        let mut rng = StdRng::seed_from_u64(3);
        let material = KeyMaterial::generate(instance, 0, 64, &mut rng).expect("few epochs");
        let mut key = SecretKey::build(material, Threads::One, &|_| ());
        let public_key = key.public_key().to_bytes();
        for (then, now) in [(3, 3), (8, 9), (7, 8), (1, 60)] {
            key.prepare(now).expect("an undamaged key");
            let bytes = key.sign(now, &[1; 32]).expect("prepared");
            let siblings = Signature::from_bytes(Scheme::Test, &bytes[..])
                .expect("valid")
                .path;
            let verification = Verification {
                public_key: &public_key,
                epoch: now,
                message: &[1; 32],
                signature: &bytes[..],
            };
            // A path that meets this one, but with other nodes on both sides.
            let mut path = Path {
                epoch: then,
                nodes: siblings.clone().into_boxed_slice(),
                siblings: siblings.clone().into_boxed_slice(),
            };
            if let Some(level) = (then ^ now).checked_ilog2() {
                path.siblings[level as usize][0] ^= 1;
            }
            for backend in Backend::all() {
                let verifier = Verifier::new(instance, 1);
                let key = PublicKey::from_bytes(&public_key).expect("a key");
                verifier.memory.insert(&key, path.clone());
                assert!(path.meeting(now, &siblings).is_some());
                let valid = verifier.verify_many_on(backend, &[verification]);
                assert_eq!(
                    (valid, verifier.shortened()),
                    (vec![true], 0),
                    "{then} {now}"
                );
                // By now it is known better.
                let valid = verifier.verify_many_on(backend, &[verification]);
                assert_eq!((valid, verifier.shortened()), (vec![true], 1));
            }
        }
    }
}
