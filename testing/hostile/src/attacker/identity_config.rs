//! The behaviour of an identity.

use std::sync::Arc;

use libp2p::identity::Keypair;
use parking_lot::Mutex;

use super::claim::Claim;

/// The behaviour of an identity. By default it has a new key, answers requests, reads answers, and claims what all
/// identities of the attacker claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentityConfig {
    /// Its key; a new one where there is none.
    pub(crate) key: Option<Keypair>,
    /// A claim of its own.
    pub(crate) claim: Option<Arc<Mutex<Claim>>>,
    /// Whether requests for blocks that it does not have stay without any answer.
    pub(crate) withholds: bool,
    /// How it sends requests.
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
