//! The cases, a file for each group, and the table of all of them.

mod lives;
mod transport;

use crate::{Case, Group};

/// All cases, in the order in which they are played.
#[must_use]
pub fn cases() -> Vec<Case> {
    [transport::CASES].concat()
}

/// Where rules stand: leanSpec at 050fa4a, and the specifications of libp2p, snappy and multiformats.
mod source {
    pub(super) const LEAN_NETWORKING: &str = "leanSpec docs/client/networking.md, Network Stack";
    pub(super) const LEAN_STATUS: &str = "leanSpec networking/reqresp/message.py, Status";
    pub(super) const LEAN_BLOCKS: &str = "leanSpec networking/reqresp/message.py, BlocksByRoot";
    pub(super) const IDENTIFY: &str = "libp2p specs, identify";
    pub(super) const PING: &str = "libp2p specs, ping";
    pub(super) const QUIC: &str = "libp2p specs, quic";
    pub(super) const TLS: &str = "libp2p specs, tls";
    pub(super) const PEER_IDS: &str = "libp2p specs, peer-ids";
    pub(super) const MULTISTREAM: &str = "multistream-select 1.0.0";
    pub(super) const LEAN_GOSSIP: &str = "leanSpec networking/gossipsub/parameters.py, protocol_id";
    pub(super) const ROBUST: &str = "leanSpec docs/client/networking.md, Security Considerations";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_cases_stand_with_their_group() {
        let cases = cases();
        let ids: HashSet<_> = cases.iter().map(|case| case.id).collect();
        assert_eq!(ids.len(), cases.len());
        let groups: Vec<Group> = cases.iter().map(|case| case.group).collect();
        assert!(groups.is_sorted(), "{groups:?}");
    }
}
