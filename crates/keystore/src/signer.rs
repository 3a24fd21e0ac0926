//! A validator's signer: its key, and the record that is asked before the key is.

use std::{
    fmt,
    fs::File,
    ops::Range,
    path::PathBuf,
    sync::{
        Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use quartet_types::{PublicKey, Root, Signature, ValidatorIndex};
use quartet_xmss::{SecretKey, SubtreeWork, TreesError};

use crate::{
    record::{NotAuthorised, RecordError, Refusal, SigningRecord, SigningRequest},
    trees,
};

/// With fewer epochs left than slots in a day, the operator is warned; of a short key, in its last quarter.
const WARN_BELOW_EPOCHS: u64 = 24 * 60 * 60 / quartet_types::SECONDS_PER_SLOT;
/// While a bottom tree is being built, its beginning is written down after this many pieces of work.
const STORE_EVERY: usize = 32;

/// Signs for one validator. Every signature is in the signing record, durably, before it is made.
///
/// Signing needs the part of the key's tree around the epoch; [`Signer::work_ahead`], called once a slot off
/// the duty path, has it ready in time. The key's file is locked as long as the signer lives.
pub struct Signer {
    index: ValidatorIndex,
    public_key: PublicKey,
    active: Range<u64>,
    key: RwLock<SecretKey>,
    record: SigningRecord,
    trees: PathBuf,
    warned: AtomicBool,
    /// Pieces of bottom trees that have been computed.
    begun: AtomicUsize,
    /// Held while the trees are written.
    storing: Mutex<()>,
    _lock: File,
}

/// A message to be signed, for [`sign_many`].
#[derive(Clone, Copy, Debug)]
pub struct SigningDuty<'a> {
    /// Who signs.
    pub signer: &'a Signer,
    /// The epoch: the slot of the attestation.
    pub epoch: u64,
    /// The root of what is signed.
    pub message_root: Root,
    /// The slot of the attestation's source, for the record.
    pub source: Option<u64>,
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
        trees: PathBuf,
        lock: File,
    ) -> Self {
        Self {
            index,
            public_key: PublicKey(key.public_key().to_bytes()),
            active: key.active(),
            key: RwLock::new(key),
            record,
            trees,
            warned: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            storing: Mutex::new(()),
            _lock: lock,
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

    /// Signs a message: first the record, durably, then the key. Asked for the same message again, it gives
    /// the same signature. The record learns of no source: attestations go through [`sign_many`].
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
        self.record.authorise(duty.request())?;
        self.sign_authorised(epoch, message_root)
    }

    /// What has to be right before an epoch is used up in the record.
    fn ready(&self, epoch: u64) -> Result<(), SignError> {
        if !self.active.contains(&epoch) {
            let active = self.active();
            return Err(SignError::NotActive { epoch, active });
        }
        let work = self.read().map(|key| Work::toward(&key, epoch))?;
        match work {
            None => Ok(()),
            Some(work) if work.builds_tree => Err(SignError::NotPrepared { epoch }),
            // Milliseconds: better a late signature than none.
            Some(_) => self.prepare(epoch),
        }
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

    /// Computes without holding the key, so that signing never waits; nor does it for the disk.
    fn carry_out(&self, work: Work) -> Result<(), SignError> {
        let subtree = work.piece.run();
        let mut key = self.write()?;
        let kept = key.kept();
        key.accept(subtree)?;
        let tree_finished = key.kept() != kept;
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

impl SigningDuty<'_> {
    fn request(&self) -> SigningRequest {
        SigningRequest {
            public_key: self.signer.public_key,
            epoch: self.epoch,
            message_root: self.message_root,
            source: self.source,
        }
    }
}

/// Signs for many validators with one write to the record: a result for each, in order. One that fails
/// costs the others nothing, unless the record itself fails. All signers must share one record.
pub fn sign_many(duties: &[SigningDuty<'_>]) -> Vec<Result<Signature, SignError>> {
    let Some(record) = duties.first().map(|duty| &duty.signer.record) else {
        return Vec::new();
    };
    let readiness: Vec<_> = (duties.iter())
        .map(|duty| duty.signer.ready(duty.epoch))
        .collect();
    let ready = readiness
        .iter()
        .zip(duties)
        .filter(|(ready, _)| ready.is_ok());
    let requests: Vec<_> = ready.map(|(_, duty)| duty.request()).collect();
    let mut verdicts = match record.authorise_many(&requests) {
        Ok(verdicts) => verdicts.into_iter(),
        Err(error) => {
            // The first learns why, the others that it is so.
            let mut error = Some(error);
            let unusable = |_| Err(error.take().unwrap_or_else(|| record.unusable()).into());
            return duties.iter().map(unusable).collect();
        }
    };
    let signed = readiness.into_iter().zip(duties).map(|(ready, duty)| {
        ready?;
        // There is a verdict for each that was ready.
        verdicts.next().ok_or_else(|| record.unusable())??;
        duty.signer.sign_authorised(duty.epoch, duty.message_root)
    });
    signed.collect()
}

/// A piece of work, some milliseconds long.
struct Work {
    piece: SubtreeWork,
    /// It is one of many toward a whole bottom tree, rather than the part around an epoch.
    builds_tree: bool,
}

impl Work {
    /// What comes next before `epoch` can be signed.
    fn toward(key: &SecretKey, epoch: u64) -> Option<Self> {
        Some(Self {
            piece: key.work_for(epoch)?,
            builds_tree: !is_kept(key, epoch),
        })
    }

    /// What comes next for signing from `epoch` on, soonest needed first.
    fn ahead(key: &SecretKey, epoch: u64, validator: ValidatorIndex) -> Option<Self> {
        let tree = key.material().instance().scheme.epochs_per_tree();
        // A thousand keys enter their next parts in the same slot, but need not compute them in one.
        let part = key.epochs_per_subtree();
        let lead = part - validator % part.div_ceil(2);
        // Before the key is active, its beginning is what will be needed.
        let epoch = epoch.max(key.active().start);
        let next_tree = epoch.saturating_add(tree);
        Self::toward(key, epoch)
            .or_else(|| Self::toward(key, epoch.saturating_add(lead)))
            .or_else(|| match is_kept(key, next_tree) {
                true => None,
                false => Self::toward(key, next_tree),
            })
    }
}

fn is_kept(key: &SecretKey, epoch: u64) -> bool {
    key.kept().iter().any(|range| range.contains(&epoch))
}
