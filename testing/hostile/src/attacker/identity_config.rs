//! How an identity behaves, beside what it says.

use std::sync::Arc;

use libp2p::identity::Keypair;
use parking_lot::Mutex;

use super::claim::Claim;

/// How an identity behaves. The default one is polite: fresh, answers what it is asked, reads what it is
/// answered, and claims what all of the stranger claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentityConfig {
    /// Who it is; somebody new where there is none.
    pub(crate) key: Option<Keypair>,
    /// What it claims of its own.
    pub(crate) claim: Option<Arc<Mutex<Claim>>>,
    /// Whether requests for blocks that it does not have stay without any answer.
    pub(crate) withholds: bool,
    /// What it does with streams that it opens.
    pub(crate) asks: Asks,
}

/// What an identity does with the streams of its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asks {
    /// It asks and reads the answer.
    #[default]
    Politely,
    /// It asks and never reads.
    WithoutReading,
    /// It begins to ask and never ends.
    WithoutEnd,
}
