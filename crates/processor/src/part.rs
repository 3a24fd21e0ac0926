//! What processor time goes into, for metrics.

use metrics::counter;
use quartet_clock::CpuTime;

/// A part of the node's work. Work of no part is the services' own, above all gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Verifying signatures.
    Verification,
    /// Signing.
    Signing,
    /// Preparing keys for the slots to come.
    Keys,
    /// Applying blocks and building them, the roots of bodies in it included.
    Transition,
    /// Roots of blocks, states and messages.
    Hashing,
    /// The chain service's own loop: fork choice, decisions, bookkeeping.
    Chain,
}

impl Part {
    /// The part's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Signing => "signing",
            Self::Keys => "keys",
            Self::Transition => "transition",
            Self::Hashing => "hashing",
            Self::Chain => "chain",
        }
    }

    /// Does a piece of this part's work on the calling thread and counts what it takes. Pieces are not nested.
    pub fn measure<T>(self, work: impl FnOnce() -> T) -> T {
        let time = CpuTime::start();
        let result = work();
        let nanoseconds = u64::try_from(time.elapsed().as_nanos()).unwrap_or(u64::MAX);
        counter!("quartet_cpu_nanoseconds_total", "part" => self.name()).increment(nanoseconds);
        result
    }
}
