// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use futures::FutureExt as _;

use super::*;
use crate::parking::tests::{gossiped, vote};

fn attestation(validator: ValidatorIndex) -> GossipAttestation {
    gossiped(vote(validator, Root::ZERO, 5))
}

fn disconnected(peer: &str) -> ChainMessage {
    let peer = PeerName::new(peer);
    ChainMessage::Disconnected { peer }
}

/// What the chain service takes in next, in short; nothing if it has to wait.
fn next(inbox: &mut ChainInbox, batch: usize) -> Option<Option<Vec<ValidatorIndex>>> {
    let incoming = inbox.next(batch).now_or_never()?;
    Some(incoming.map(|incoming| match incoming {
        Incoming::Message(_) => Vec::new(),
        Incoming::Attestations(items) => {
            let validators = items.iter().map(|item| item.validator_and_slot().0);
            validators.collect()
        }
    }))
}

#[test]
fn messages_wait_for_room_and_votes_that_find_none_are_dropped() {
    let (handle, mut inbox) = chain_channel();
    let mut permits: Vec<_> = (0..32)
        .map(|_| handle.reserve().now_or_never().unwrap().unwrap())
        .collect();
    assert!(handle.reserve().now_or_never().is_none());
    assert!(handle.send(disconnected("a")).now_or_never().is_none());
    permits.pop().unwrap().send(disconnected("b"));
    let taken = inbox.next_message().now_or_never().unwrap();
    assert!(
        matches!(taken, Some(ChainMessage::Disconnected { peer }) if peer == PeerName::new("b"))
    );
    assert_eq!(handle.send(disconnected("c")).now_or_never(), Some(Ok(())));
    for validator in 0..15_000 {
        handle.attestation(attestation(validator));
    }
    let of = |item: Option<GossipAttestation>| item.unwrap().validator_and_slot().0;
    let first = inbox.next_attestation().now_or_never().unwrap();
    assert_eq!(of(first), 0);
    let taken = (1..12_288).map(|_| of(inbox.next_attestation().now_or_never().unwrap()));
    assert!(taken.eq(1..12_288));
    assert!(inbox.next_attestation().now_or_never().is_none());
    drop(inbox);
    let stopped = Stopped("chain");
    assert_eq!(
        handle.send(disconnected("d")).now_or_never(),
        Some(Err(stopped))
    );
    assert_eq!(
        handle.reserve().now_or_never().unwrap().err(),
        Some(stopped)
    );
}

#[test]
fn messages_are_taken_before_votes_and_these_as_many_as_are_wanted() {
    let (handle, mut inbox) = chain_channel();
    assert_eq!(next(&mut inbox, 9), None);
    for validator in 0..5 {
        handle.attestation(attestation(validator));
    }
    handle
        .send(disconnected("a"))
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(next(&mut inbox, 3), Some(Some(vec![])));
    assert_eq!(next(&mut inbox, 0), None);
    assert_eq!(next(&mut inbox, 3), Some(Some(vec![0, 1, 2])));
    assert_eq!(next(&mut inbox, 1), Some(Some(vec![3])));
    handle
        .send(disconnected("b"))
        .now_or_never()
        .unwrap()
        .unwrap();
    // What has been sent is still taken after it is closed, and no more.
    inbox.close();
    let refused = handle.send(disconnected("c")).now_or_never();
    assert_eq!(refused, Some(Err(Stopped("chain"))));
    handle.attestation(attestation(7));
    assert_eq!(next(&mut inbox, 9), Some(Some(vec![])));
    let last = inbox.next_attestation().now_or_never().unwrap();
    assert_eq!(last.map(|item| item.validator_and_slot().0), Some(4));
    assert_eq!(next(&mut inbox, 9), Some(None));
}

#[test]
fn the_network_has_room_for_256_messages() {
    let (handle, mut messages) = network_channel();
    let message = || NetworkMessage::Disconnect {
        peer: PeerName::new("peer"),
        reason: "none",
    };
    for _ in 0..256 {
        assert!(handle.try_send(message()));
    }
    assert!(!handle.try_send(message()));
    assert!(handle.send(message()).now_or_never().is_none());
    assert!(messages.try_recv().is_ok());
    assert_eq!(handle.send(message()).now_or_never(), Some(Ok(())));
    assert_eq!(std::iter::from_fn(|| messages.try_recv().ok()).count(), 256);
    drop(messages);
    let stopped = Some(Err(Stopped("network")));
    assert_eq!(handle.send(message()).now_or_never(), stopped);
    assert!(!handle.try_send(message()));
}
