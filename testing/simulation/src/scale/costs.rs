//! What a node's work takes.

use crate::bandwidth::Nanos;

/// What a node's work takes, in nanoseconds. [`Default`] is what docs/performance.md has, on two cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Cores that share the signatures of a batch.
    pub cores: u64,
    /// Verifying one signature of a batch, on one core.
    pub signature: Nanos,
    /// What a batch takes besides: a signature alone takes so long and the one above.
    pub batch: Nanos,
    /// Signing, on one core.
    pub signing: Nanos,
    /// A block's transition and its roots, without attestations.
    pub block: Nanos,
    /// What each attestation of a body adds.
    pub attestation: Nanos,
    /// What each message that comes in costs the network's task.
    pub message: Nanos,
    /// What each kibibyte of it adds: decompression, the id's hash, decoding.
    pub kibibyte: Nanos,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            cores: 2,
            signature: 16_700,
            batch: 32_000,
            signing: 50_000,
            block: 300_000,
            attestation: 600,
            message: 3_000,
            kibibyte: 2_000,
        }
    }
}

impl Costs {
    /// Work takes no time, as in the simulation of whole nodes.
    pub fn none() -> Self {
        Self {
            cores: 1,
            signature: 0,
            batch: 0,
            signing: 0,
            block: 0,
            attestation: 0,
            message: 0,
            kibibyte: 0,
        }
    }

    pub(super) fn of_batch(&self, signatures: usize) -> Nanos {
        match signatures {
            0 => 0,
            _ => self.batch + self.signature * signatures as u64 / self.cores,
        }
    }

    pub(super) fn of_block(&self, unverified: usize, attestations: usize) -> Nanos {
        self.of_batch(unverified) + self.block + self.attestation * attestations as u64
    }

    pub(super) fn of_signing(&self, signatures: usize) -> Nanos {
        self.signing * (signatures as u64).div_ceil(self.cores)
    }
}
