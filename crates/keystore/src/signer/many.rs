//! Signing for many validators at once: one write to the record, and few to the marks.

use quartet_types::{Root, Signature};

use super::{SignError, Signer};
use crate::{MarkError, mark, record::SigningRequest};

/// A message to be signed, for [`sign_many`].
#[derive(Clone, Copy, Debug)]
pub struct SigningDuty<'a> {
    /// The signer.
    pub signer: &'a Signer,
    /// The epoch: the slot of the attestation.
    pub epoch: u64,
    /// The root of what is signed.
    pub message_root: Root,
    /// The slot of the attestation's source, for the record.
    pub source: Option<u64>,
}

impl SigningDuty<'_> {
    pub(super) fn request(&self) -> SigningRequest {
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
    let mut readiness: Vec<_> = (duties.iter())
        .map(|duty| duty.signer.ready(duty.epoch))
        .collect();
    raise_marks(duties, &mut readiness);
    let ready = readiness
        .iter()
        .zip(duties)
        .filter(|(ready, _)| ready.is_ok());
    let requests: Vec<_> = ready.map(|(_, duty)| duty.request()).collect();
    let mut verdicts = match record.authorise_many(&requests) {
        Ok(verdicts) => verdicts.into_iter(),
        Err(error) => {
            // The first one gets the reason, the others that the record is unusable.
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

/// Gives up the epochs up to `epoch`, durably, by raising the high-water marks of many keys: a result for each, in
/// order. Done before a slot, off the duty path, it saves a disk write before that slot's signature; a restart costs
/// the slots that were given up, so it is done for the next slot only. Keys that are not active then give up nothing.
pub fn reserve(signers: &[&Signer], epoch: u64) -> Vec<Result<(), MarkError>> {
    let wanted = signers.iter().map(|signer| (*signer, epoch));
    raise(&wanted.collect::<Vec<_>>())
}

/// Raises marks for signing in these epochs, where they have not been raised before.
fn raise(wanted: &[(&Signer, u64)]) -> Vec<Result<(), MarkError>> {
    let marks = wanted.iter().map(|(signer, epoch)| {
        let is_active = signer.active.contains(epoch);
        signer.guard.to_raise(*epoch).filter(|_| is_active)
    });
    let marks: Vec<_> = marks.collect();
    let mut raised =
        mark::raise_many(&marks.iter().flatten().copied().collect::<Vec<_>>()).into_iter();
    let results = wanted.iter().zip(marks).map(|((signer, _), mark)| {
        let raised = mark.and_then(|_| raised.next()).unwrap_or(Ok(()));
        if signer.guard.is_heeded() {
            raised
        } else {
            Ok(())
        }
    });
    results.collect()
}

/// Raises the marks of what is ready to be signed and has not been reserved.
fn raise_marks(duties: &[SigningDuty<'_>], readiness: &mut [Result<(), SignError>]) {
    let mut ready: Vec<_> = (readiness.iter_mut().zip(duties))
        .filter(|(ready, _)| ready.is_ok())
        .collect();
    let wanted: Vec<_> = ready
        .iter()
        .map(|(_, duty)| (duty.signer, duty.epoch))
        .collect();
    for ((ready, _), raised) in ready.iter_mut().zip(raise(&wanted)) {
        **ready = raised.map_err(SignError::from);
    }
}
