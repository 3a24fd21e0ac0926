//! A validator's signer: its key, and the record that is asked before the key is used.

mod many;
mod work;

use std::{
    fmt,
    ops::Range,
    path::PathBuf,
    sync::{
        Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use quartet_types::{PublicKey, Root, Signature, ValidatorIndex};
use quartet_xmss::{SecretKey, TreesError};

use crate::{
    KeyError, KeyFileProblem, MarkError,
    guard::Guard,
    record::{NotAuthorised, RecordError, Refusal, SigningRecord},
    trees,
};
pub use many::{SigningDuty, reserve, sign_many};
use work::Work;

/// With fewer epochs left than slots in a day, the operator is warned; of a short key, in its last quarter.
const WARN_BELOW_EPOCHS: u64 = 24 * 60 * 60 / quartet_types::SECONDS_PER_SLOT;
/// While a bottom tree is being built, its beginning is stored after this many pieces of work.
const STORE_EVERY: usize = 32;

/// Slots for which a key waits until its high-water mark leaves an epoch free: a crash costs one or two, and a clock
/// may be some seconds behind. A key that has signed further ahead comes from another network.
const WAITS_FOR_SLOTS: u64 = 8;

/// Signs for one validator. Every signature is in the signing record, and its epoch below the key's high-water mark,
/// durably, before it is made.
///
/// Signing needs the part of the key's tree around the epoch; [`Signer::work_ahead`], called once a slot off
/// the duty path, has it ready in time. The key's file is locked as long as the signer lives.
pub struct Signer {
    index: ValidatorIndex,
    public_key: PublicKey,
    active: Range<u64>,
    key: RwLock<SecretKey>,
    record: SigningRecord,
    path: PathBuf,
    trees: PathBuf,
    warned: AtomicBool,
    /// Pieces of bottom trees that have been computed.
    begun: AtomicUsize,
    /// Held while the trees are written.
    storing: Mutex<()>,
    guard: Guard,
}

/// A signature is not given.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The rules forbid it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The record does not work, so nothing may be signed.
    #[error("signing record: {0}")]
    Record(#[from] RecordError),
    /// The high-water mark cannot be raised, so nothing may be signed.
    #[error("{0}")]
    Mark(#[from] MarkError),
    /// The key has no one-time key for the epoch.
    #[error("the key is active for epochs {} to {}, not {epoch}", active.start, active.end.saturating_sub(1))]
    NotActive {
        /// The epoch asked for.
        epoch: u64,
        /// The epochs that the key can sign.
        active: Range<u64>,
    },
    /// The part of the tree around the epoch would take seconds to compute.
    #[error("the key is not prepared for epoch {epoch}, and it would take too long now")]
    NotPrepared {
        /// The epoch asked for.
        epoch: u64,
    },
    /// What was recomputed does not fit the key.
    #[error("{0}")]
    Damaged(#[from] TreesError),
    /// The scheme refuses.
    #[error("{0}")]
    Scheme(#[from] quartet_xmss::SignError),
    /// A thread panicked while it held the key.
    #[error("the key is unusable after a panic; restart")]
    Unusable,
}

impl From<NotAuthorised> for SignError {
    fn from(error: NotAuthorised) -> Self {
        match error {
            NotAuthorised::Refused(refusal) => Self::Refused(refusal),
            NotAuthorised::Record(error) => Self::Record(error),
        }
    }
}

impl Signer {
    pub(crate) fn new(
        index: ValidatorIndex,
        key: SecretKey,
        record: SigningRecord,
        path: PathBuf,
        trees: PathBuf,
        guard: Guard,
    ) -> Self {
        Self {
            index,
            public_key: PublicKey(key.public_key().to_bytes()),
            active: key.active(),
            key: RwLock::new(key),
            record,
            path,
            trees,
            warned: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            storing: Mutex::new(()),
            guard,
        }
    }

    /// The validator.
    pub fn index(&self) -> ValidatorIndex {
        self.index
    }

    /// Its public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The epochs that the key can sign.
    pub fn active(&self) -> Range<u64> {
        self.active.clone()
    }

    /// The highest epoch that has been signed in.
    pub fn last_signed(&self) -> Option<u64> {
        self.record.highest_epoch(&self.public_key)
    }

    /// The highest slot of a source that has been voted from, if any is known.
    pub fn last_source(&self) -> Option<u64> {
        self.record.highest_source(&self.public_key)
    }

    /// Whether the key's secret is meant to be public: then it has no high-water mark, and no lock but its file's.
    pub fn is_public_test_key(&self) -> bool {
        self.guard.is_public_test_key()
    }

    /// The first epoch that the key's high-water mark left free when it was loaded; `None` where no mark is heeded.
    pub fn free_from(&self) -> Option<u64> {
        self.guard.free_from()
    }

    /// The record that is asked before each signature.
    pub fn record(&self) -> &SigningRecord {
        &self.record
    }

    /// Checks that the key has not signed far ahead of `slot`, as it has where a network was started anew with old
    /// keys.
    ///
    /// # Errors
    /// When it has: nothing could be signed with it for long, and the operator has to know why.
    pub fn check_slot(&self, slot: u64) -> Result<(), KeyError> {
        match self.free_from() {
            Some(free_from) if free_from > slot.saturating_add(WAITS_FOR_SLOTS) => {
                let problem = KeyFileProblem::UsedAhead { free_from, slot };
                Err(problem.in_file(&self.path))
            }
            _ => Ok(()),
        }
    }

    /// Signs a message: first the mark and the record, durably, then the key. Asked for the same message again, it
    /// gives the same signature. The record learns of no source: attestations go through [`sign_many`].
    ///
    /// # Errors
    /// When the record refuses or fails, or the key is not active or not prepared for the epoch.
    pub fn sign(&self, epoch: u64, message_root: Root) -> Result<Signature, SignError> {
        let duty = SigningDuty {
            signer: self,
            epoch,
            message_root,
            source: None,
        };
        self.ready(epoch)?;
        self.raise_mark(epoch)?;
        self.record.authorise(duty.request())?;
        self.sign_authorised(epoch, message_root)
    }

    /// What is checked before the record marks an epoch as used.
    fn ready(&self, epoch: u64) -> Result<(), SignError> {
        if !self.active.contains(&epoch) {
            let active = self.active();
            return Err(SignError::NotActive { epoch, active });
        }
        let work = self.read().map(|key| Work::toward(&key, epoch))?;
        match work {
            None => Ok(()),
            Some(work) if work.builds_tree => Err(SignError::NotPrepared { epoch }),
            // This takes milliseconds: better a late signature than none.
            Some(_) => self.prepare(epoch),
        }
    }

    fn raise_mark(&self, epoch: u64) -> Result<(), MarkError> {
        let mut raised = reserve(&[self], epoch).into_iter();
        raised.next().unwrap_or(Ok(()))
    }

    fn sign_authorised(&self, epoch: u64, message_root: Root) -> Result<Signature, SignError> {
        let signature = self.read()?.sign(epoch, &message_root.0)?;
        Ok(Signature::from(*signature))
    }

    /// Has everything ready for signing in an epoch: milliseconds, or seconds where a whole bottom tree has to
    /// be built first. Does nothing for epochs that the key is not active in.
    ///
    /// # Errors
    /// When what is computed does not fit the key.
    pub fn prepare(&self, epoch: u64) -> Result<(), SignError> {
        loop {
            let work = self.read().map(|key| Work::toward(&key, epoch))?;
            match work {
                Some(work) => self.carry_out(work)?,
                None => return Ok(()),
            }
        }
    }

    /// Whether a signature in the epoch takes no preparation.
    pub fn is_prepared(&self, epoch: u64) -> bool {
        self.read().is_ok_and(|key| key.is_prepared(epoch))
    }

    /// Does one piece of the work, some milliseconds, that signing from `epoch` on will need: the current
    /// part of the tree, the next one, and the next bottom tree long before it is entered. Returns whether
    /// there is more to do. Called once a slot, it is always far ahead; validators do it in different slots.
    ///
    /// Also warns, once, a day before the key runs out, or when three quarters of a shorter key are over.
    ///
    /// # Errors
    /// When what is computed does not fit the key.
    pub fn work_ahead(&self, epoch: u64) -> Result<bool, SignError> {
        self.warn_before_the_end(epoch);
        let Some(work) = self
            .read()
            .map(|key| Work::ahead(&key, epoch, self.index))?
        else {
            return Ok(false);
        };
        self.carry_out(work)?;
        Ok(Work::ahead(&*self.read()?, epoch, self.index).is_some())
    }

    /// Computes and writes to the disk without holding the key's lock, so that signing never waits.
    fn carry_out(&self, work: Work) -> Result<(), SignError> {
        let subtree = work.piece.run();
        let mut key = self.write()?;
        let kept = key.stored_tree_epochs();
        key.accept(subtree)?;
        let tree_finished = key.stored_tree_epochs() != kept;
        let begun = self
            .begun
            .fetch_add(usize::from(work.builds_tree), Ordering::Relaxed)
            + 1;
        if !(tree_finished || work.builds_tree && begun.is_multiple_of(STORE_EVERY)) {
            return Ok(());
        }
        let trees = key.trees().to_bytes();
        drop(key);
        let _storing = self.storing.lock().map_err(|_| SignError::Unusable)?;
        trees::store_or_warn(&trees, &self.trees);
        Ok(())
    }

    /// Epochs, from `epoch` on, that the key can still sign.
    pub fn epochs_left(&self, epoch: u64) -> u64 {
        self.active.end.saturating_sub(epoch.max(self.active.start))
    }

    fn warn_before_the_end(&self, epoch: u64) {
        let left = self.epochs_left(epoch);
        let short = (self.active.end - self.active.start) / 4;
        if left < WARN_BELOW_EPOCHS.min(short) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                validator = self.index,
                epochs_left = left,
                last_epoch = self.active.end.saturating_sub(1),
                "this validator's key runs out soon"
            );
        }
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, SecretKey>, SignError> {
        self.key.read().map_err(|_| SignError::Unusable)
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, SecretKey>, SignError> {
        self.key.write().map_err(|_| SignError::Unusable)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("index", &self.index)
            .field("public_key", &self.public_key)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}
