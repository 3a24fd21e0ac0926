//! The cases, a file for each group, and the table of all of them.

mod ballots;
mod blocks;
mod framing;
mod gossip;
mod hearing;
mod invalid;
mod liveness;
mod mesh;
mod proposals;
mod restarts;
mod status;
mod streams;
mod transport;
mod votes;

use futures::future::BoxFuture;

use crate::{Case, Group, context::CaseContext, verdict::CaseResult};

/// All cases, in the order in which they are played.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        transport::CASES,
        status::CASES,
        framing::CASES,
        blocks::CASES,
        streams::CASES,
        gossip::CASES,
        mesh::CASES,
        invalid::CASES,
        votes::CASES,
        proposals::CASES,
        restarts::CASES,
    ]
    .concat()
}

/// A line of a group's table.
const fn case(
    group: Group,
    id: &'static str,
    rule: &'static str,
    source: &'static str,
    play: for<'a> fn(&'a CaseContext) -> BoxFuture<'a, CaseResult>,
) -> Case {
    Case {
        id,
        group,
        rule,
        source,
        play,
    }
}

/// Where rules stand: leanSpec at 050fa4a, and the specifications of libp2p, snappy and multiformats.
mod source {
    pub(super) const LEAN_NETWORKING: &str = "leanSpec docs/client/networking.md, Network Stack";
    pub(super) const LEAN_DIRECT: &str = "leanSpec docs/client/networking.md, Direct Requests";
    pub(super) const LEAN_ENCODING: &str = "leanSpec docs/client/networking.md, Encoding";
    pub(super) const LEAN_STATUS: &str = "leanSpec networking/reqresp/message.py, Status";
    pub(super) const LEAN_BLOCKS: &str = "leanSpec networking/reqresp/message.py, BlocksByRoot";
    pub(super) const LEAN_MAX_BLOCKS: &str = "leanSpec networking/config.py, MAX_REQUEST_BLOCKS; reqresp/message.py, BlocksByRootRequest";
    pub(super) const LEAN_BLOCK: &str =
        "leanSpec containers/block/block.py, SignedBlockWithAttestation.verify_signatures";
    pub(super) const LEAN_STATE: &str = "leanSpec containers/state/state.py, state_transition";
    pub(super) const LEAN_TOPIC: &str =
        "leanSpec docs/client/networking.md, Topic Structure; networking/gossipsub/topic.py";
    pub(super) const LEAN_MESSAGE_ID: &str =
        "leanSpec networking/gossipsub/message.py, GossipsubMessage.id";
    pub(super) const LEAN_NO_SIGN: &str =
        "leanSpec networking/gossipsub/parameters.py, validation_mode";
    pub(super) const LEAN_SEEN: &str = "leanSpec networking/gossipsub/parameters.py, seen_ttl_secs";
    pub(super) const LEAN_ATTESTATION: &str =
        "leanSpec forkchoice/store.py, Store.validate_attestation";
    pub(super) const LEAN_VOTE_SIGNATURE: &str = "leanSpec containers/attestation/attestation.py, SignedAttestation; docs/client/networking.md, Security Considerations";
    pub(super) const LEAN_ON_BLOCK: &str = "leanSpec forkchoice/store.py, Store.on_block";
    pub(super) const LEAN_PRODUCE: &str =
        "leanSpec forkchoice/store.py, Store.produce_block_with_signatures";
    pub(super) const LEAN_GOSSIP: &str = "leanSpec networking/gossipsub/parameters.py, protocol_id";
    pub(super) const ROBUST: &str = "leanSpec docs/client/networking.md, Security Considerations";
    pub(super) const IDENTIFY: &str = "libp2p specs, identify";
    pub(super) const PING: &str = "libp2p specs, ping";
    pub(super) const QUIC: &str = "libp2p specs, quic";
    pub(super) const TLS: &str = "libp2p specs, tls";
    pub(super) const PEER_IDS: &str = "libp2p specs, peer-ids";
    pub(super) const MULTISTREAM: &str = "multistream-select 1.0.0";
    pub(super) const VARINT: &str = "multiformats unsigned-varint";
    pub(super) const FRAMES: &str = "snappy framing_format.txt";
    pub(super) const ETH2_REQUESTS: &str =
        "consensus-specs phase0/p2p-interface.md, The Req/Resp domain, which leanSpec follows";
    pub(super) const GOSSIPSUB_10: &str = "libp2p specs, pubsub/gossipsub/gossipsub-v1.0.md";
    pub(super) const GOSSIPSUB_11: &str = "libp2p specs, pubsub/gossipsub/gossipsub-v1.1.md";
    pub(super) const GOSSIPSUB_12: &str = "libp2p specs, pubsub/gossipsub/gossipsub-v1.2.md";
    pub(super) const PUBSUB: &str = "libp2p specs, pubsub/README.md";
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
