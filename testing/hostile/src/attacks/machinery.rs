//! Attacks on the machinery: on memory, processor, connections and places.

use futures::future::BoxFuture;

use super::{Attack, Kind, crowds, fictions, handshakes, http, noise, nothing, orphans, requests};
use crate::attacker::Stage;

const fn attack(
    name: &'static str,
    about: &'static str,
    play: fn(Stage) -> BoxFuture<'static, ()>,
) -> Attack {
    Attack::on(Kind::Machinery, name, about, play)
}

/// Every attack on the machinery, in the order in which they are played.
pub(super) static MACHINERY: [Attack; 20] = [
    attack(
        "empty-slots",
        "sends nothing, while two slots are left empty: what made-up chains are compared with",
        nothing,
    ).with_empty_slots(),
    attack(
        "made-up-chains",
        "2 identities claim a made-up chain each, another one every slot, and serve its blocks, while two slots are empty",
        |stage| Box::pin(fictions::claim(stage, 2)),
    ).with_empty_slots().told_apart(),
    attack(
        "liars",
        "24 identities claim made-up chains and serve their blocks, while a node joins",
        |stage| Box::pin(fictions::claim(stage, 24)),
    ).told_apart(),
    attack(
        "mute",
        "64 identities claim a chain that is ahead and answer no request for its blocks",
        // An honest node that is overloaded does the same for ten seconds; after half a minute of it, it has to go.
        |stage| Box::pin(fictions::claim_and_be_silent(stage, 64)),
    ),
    attack(
        "idle",
        "72 identities per node that claim the honest chain and do nothing",
        |stage| Box::pin(crowds::idle(stage)),
    ),
    attack(
        "handshakes",
        "24 QUIC handshakes per second and node that are never finished, without any identity",
        |stage| Box::pin(handshakes::leave_half_open(stage)),
    ),
    attack(
        "bans",
        "up to 1,180 identities, each with messages that cost it its place",
        |stage| Box::pin(crowds::earn_bans(stage)),
    ).told_apart(),
    attack(
        "restarts",
        "a peer that restarts every second and a half, without a farewell",
        |stage| Box::pin(crowds::restart(stage)),
    ),
    attack(
        "orphans",
        "blocks of 9.9 MB whose parents nobody has, from 20 identities, two a second",
        |stage| Box::pin(orphans::send(stage)),
    ),
    attack(
        "random-votes",
        "20,000 unsigned attestations a second, for random roots",
        |stage| Box::pin(noise::random_votes(stage)),
    ).told_apart(),
    attack(
        "garbage",
        "bytes of no format, snappy bombs and bad signatures, as fast as it can",
        |stage| Box::pin(noise::garbage(stage)),
    ).told_apart(),
    attack(
        "far-future",
        "blocks and votes of slots that are far away, 200 a second",
        |stage| Box::pin(noise::far_future(stage)),
    ),
    attack(
        "topics",
        "8 identities that listen to 2,000 topics each, of which nobody has heard",
        |stage| Box::pin(noise::topics(stage)),
    ),
    attack(
        "unread-answers",
        "18 identities ask for all blocks by root, as often as they are let, and read no answer",
        // On a short chain answers fit into the connection's buffers, so that a node cannot see that they are not read.
        |stage| Box::pin(requests::without_reading(stage)),
    ),
    attack(
        "half-requests",
        "18 identities begin requests on every stream they get, and end none",
        |stage| Box::pin(requests::without_end(stage)),
    ).told_apart(),
    attack(
        "request-flood",
        "8 identities send statuses and requests for blocks, 2,000 a second",
        |stage| Box::pin(requests::flood(stage)),
    ).told_apart(),
    attack(
        "slowloris",
        "96 HTTP connections per node that send a byte every 8 s, opened again when closed",
        |stage| Box::pin(http::slowloris(stage)),
    ),
    attack(
        "slow-readers",
        "32 HTTP connections per node that ask for much and read nothing",
        |stage| Box::pin(http::slow_readers(stage)),
    ),
    attack(
        "http-flood",
        "batches of 100 calls, from 8 connections per node, one after another",
        |stage| Box::pin(http::flood(stage)),
    ),
    attack(
        "foreign-host",
        "HTTP requests with a Host that is not ours, as a page in somebody's browser sends them",
        |stage| Box::pin(http::foreign_host(stage)),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_attacks_that_no_honest_client_resembles_are_told_apart() {
        let told = |name| MACHINERY.iter().any(|a| a.name == name && a.told_apart);
        for name in ["garbage", "bans", "random-votes", "made-up-chains"] {
            assert!(told(name), "{name}");
        }
        for name in ["idle", "restarts", "topics", "handshakes", "mute"] {
            assert!(!told(name), "{name}");
        }
    }
}
